namespace Hybrid

open System
open System.Diagnostics
open System.Runtime.ExceptionServices
open System.Runtime.InteropServices
open System.Threading
open System.Threading.Tasks
open TorchSharp

/// One piece of work, cut into parts, each done once by whichever thread comes first.
[<Sealed>]
type private Job(parts: int, body: int -> unit) =

    let mutable next = -1
    let mutable failure: exn | null = null

    member _.Run() =
        try
            let mutable part = Interlocked.Increment &next

            while part < parts do
                body part
                part <- Interlocked.Increment &next
        with failed ->
            failure <- failed

    /// On the calling thread, when all are done.
    member _.Check() =
        match failure with
        | null -> ()
        | failed -> ExceptionDispatchInfo.Throw failed

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private Body = delegate of nativeint -> unit

[<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
type private Parallel' = delegate of body: nativeint * data: nativeint * threads: uint32 * flags: uint32 -> unit

/// Loops on as many threads as libtorch computes with.
[<RequireQualifiedAccess>]
module internal Team =

    let private run = Body(fun data -> ((GCHandle.FromIntPtr data).Target :?> Job).Run())

    let private runAt = Marshal.GetFunctionPointerForDelegate run

    /// libgomp's entry where libtorch has brought it: its threads have just finished a convolution and begin at once,
    /// where the thread pool's would have to be woken beside them.
    let private gomp =
        lazy
            (use self = Process.GetCurrentProcess()

             [ for it in self.Modules -> it.FileName ]
             |> List.tryFind (fun file -> (IO.Path.GetFileName file).StartsWith("libgomp", StringComparison.Ordinal))
             |> Option.bind (fun file ->
                 match NativeLibrary.TryLoad file with
                 | true, library -> Some library
                 | _ -> None)
             |> Option.bind (fun library ->
                 match NativeLibrary.TryGetExport(library, "GOMP_parallel") with
                 | true, entry -> Some(Marshal.GetDelegateForFunctionPointer<Parallel'> entry)
                 | _ -> None))

    /// Cuts `count` into as many parts as libtorch has threads and runs `body first behind part` on all of them. The
    /// cuts depend on the two numbers alone.
    let parts count (body: int -> int -> int -> unit) =
        let parts = max 1 (min count (torch.get_num_threads ()))
        let bound part = int (int64 count * int64 part / int64 parts)
        let one part = body (bound part) (bound (part + 1)) part

        if parts = 1 then
            one 0
        else
            match gomp.Value with
            | None -> Parallel.For(0, parts, one) |> ignore
            | Some fork ->
                let job = Job(parts, one)
                let handle = GCHandle.Alloc job
                fork.Invoke(runAt, GCHandle.ToIntPtr handle, uint32 parts, 0u)
                handle.Free()
                job.Check()
