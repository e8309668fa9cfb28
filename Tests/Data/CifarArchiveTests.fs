module Hybrid.Tests.Data.CifarArchiveTests

open Hybrid
open System
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Threading
open Expecto
open Hybrid.Host.Data
open Hybrid.Host.Runtime

let private packed = lazy (HandmadeCifar.archive (HandmadeCifar.entries ()))

let private ensureWith official maxBytes (server: LoopbackServer) root progress (cancel: CancellationToken) =
    let archive =
        CifarArchive(
            HandmadeCifar.variant official,
            BaseAddress = server.Address,
            Patience = TimeSpan.FromSeconds 2.,
            Pause = TimeSpan.FromMilliseconds 1.,
            MaxUnpackedBytes = maxBytes
        )

    archive.Ensure(root, progress, cancel).GetAwaiter().GetResult()

let private ensure official server root = ensureWith official (1L <<< 30) server root null CancellationToken.None

let private part = "cifar-10-binary.tar.gz.part"

let private refused action (parts: string list) =
    Expect.throwsC (fun () -> action () |> ignore) (fun error ->
        Expect.isTrue (error :? WorkException) $"{error.GetType().Name}: {error.Message}"
        Expect.isFalse (error.Message.Contains '\n') "one line"

        for part in parts do
            Expect.stringContains error.Message part "the message")

let private unpacked (folder: TemporaryFolder) =
    Expect.equal (folder.Names("sets")) [ "cifar-10-batches-bin" ] "nothing else is left"
    let set = CifarFiles.Read(CifarVariant.Cifar10, folder.At("sets"), Split.Train)
    Expect.equal set.Count 10 "records"

let private downloads =
    testList "download" [
        testCase "an absent folder is filled"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.whole packed.Value)
            let reports = ResizeArray<DownloadProgress>()

            let progress = {
                new IProgress<_> with
                    member _.Report report = reports.Add report
            }

            let root = folder.At("sets")
            let found = ensureWith packed.Value (1L <<< 30) server root progress CancellationToken.None
            Expect.equal found (folder.At("sets", "cifar-10-batches-bin")) "the folder of the files"
            unpacked folder
            Expect.equal [ for request in server.Requests -> request.Path ] [ "/sets/cifar-10-binary.tar.gz" ] "path"
            let length = packed.Value.LongLength
            let last = reports[reports.Count - 1]
            Expect.equal (last.File, last.Bytes, last.Total) ("cifar-10-binary.tar.gz", length, length) "all of it"

        testCase "a set that is there is not downloaded"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.status "500 Oops")
            HandmadeCifar.write (folder.At("sets"))
            Expect.equal (ensure packed.Value server (folder.At("sets"))) (folder.At("sets")) "found"
            Expect.isEmpty server.Requests "no request"

        testCase "a connection that is cut off is resumed"
        <| fun () ->
            use folder = new TemporaryFolder()

            use server =
                new LoopbackServer(fun number request ->
                    let reply = Reply.resuming packed.Value request
                    if number < 3 then Reply.cutAfter 1_000 reply else reply)

            ensure packed.Value server (folder.At("sets")) |> ignore
            unpacked folder
            let asked = [ for request in server.Requests -> request.RangeFrom ]
            Expect.equal asked [ None; Some 1_000L; Some 2_000L; Some 3_000L ] "only the rest each time"

        testCase "what arrived is kept for the next run"
        <| fun () ->
            use folder = new TemporaryFolder()

            use server =
                new LoopbackServer(fun number request ->
                    if number = 0 then Reply.cutAfter 2_000 (Reply.whole packed.Value)
                    elif number < 4 then Reply.status "503 Busy"
                    else Reply.resuming packed.Value request)

            let run () = ensure packed.Value server (folder.At("sets"))
            refused run [ "503 Busy"; "by hand"; "cifar-10-binary.tar.gz"; folder.At("sets") ]
            Expect.equal (folder.Names("sets")) [ part ] "only the part"
            run () |> ignore
            unpacked folder
            Expect.equal (List.last server.Requests).RangeFrom (Some 2_000L) "the rest"

        testCase "a server without ranges: from the beginning"
        <| fun () ->
            use folder = new TemporaryFolder()
            Directory.CreateDirectory(folder.At("sets")) |> ignore
            File.WriteAllBytes(folder.At("sets", part), Array.create 3_000 7uy)
            use server = new LoopbackServer(fun _ _ -> Reply.whole packed.Value)
            ensure packed.Value server (folder.At("sets")) |> ignore
            unpacked folder
            Expect.equal server.Requests.Length 1 "one request"

        testCase "a part of another file: one clean start"
        <| fun () ->
            use folder = new TemporaryFolder()
            Directory.CreateDirectory(folder.At("sets")) |> ignore
            File.WriteAllBytes(folder.At("sets", part), Array.create 3_000 7uy)
            use server = new LoopbackServer(fun _ request -> Reply.resuming packed.Value request)
            ensure packed.Value server (folder.At("sets")) |> ignore
            unpacked folder
            Expect.equal [ for request in server.Requests -> request.RangeFrom ] [ Some 3_000L; None ] "requests"

        testCase "a wrong checksum: tried once more, then refused, nothing kept"
        <| fun () ->
            use folder = new TemporaryFolder()
            let other = Array.copy packed.Value
            other[other.Length / 2] <- other[other.Length / 2] ^^^ 1uy
            use server = new LoopbackServer(fun _ request -> Reply.resuming other request)
            let run () = ensure packed.Value server (folder.At("sets"))
            refused run [ "not the official archive"; "MD5"; "by hand" ]
            Expect.equal server.Requests.Length 2 "requests"
            Expect.isEmpty (folder.Names("sets")) "nothing is left"

        testCase "a shorter file at the server ends in a message"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ request -> Reply.resuming packed.Value[..4_999] request)
            refused (fun () -> ensure packed.Value server (folder.At("sets"))) [ "5,000 of"; "by hand" ]

        testCase "a refusal is not asked for twice"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.status "404 Not Found")
            refused (fun () -> ensure packed.Value server (folder.At("sets"))) [ "404 Not Found"; "by hand" ]
            Expect.equal server.Requests.Length 1 "requests"

        testCase "nobody listens"
        <| fun () ->
            use folder = new TemporaryFolder()
            let server = new LoopbackServer(fun _ _ -> Reply.whole [||])
            (server :> IDisposable).Dispose()
            refused (fun () -> ensure packed.Value server (folder.At("sets"))) [ "could not be downloaded"; "by hand" ]
            Expect.isEmpty (folder.Names("sets")) "nothing is left"

        testCase "a silent server is given up"
        <| fun () ->
            use folder = new TemporaryFolder()
            let silence = new ManualResetEventSlim()

            use server =
                new LoopbackServer(fun _ _ ->
                    silence.Wait()
                    Reply.status "500 Oops")

            let archive =
                CifarArchive(
                    HandmadeCifar.variant packed.Value,
                    BaseAddress = server.Address,
                    Patience = TimeSpan.FromMilliseconds 60.,
                    Pause = TimeSpan.Zero
                )

            let run () = archive.Ensure(folder.At("sets")).GetAwaiter().GetResult()

            try
                refused run [ "nothing came for 0.1 seconds" ]
            finally
                silence.Set()

        testCase "interrupted: the part stays, nothing else"
        <| fun () ->
            use folder = new TemporaryFolder()
            use source = new CancellationTokenSource()
            use server = new LoopbackServer(fun _ _ -> Reply.cutAfter 4_000 (Reply.whole packed.Value))

            let progress = {
                new IProgress<DownloadProgress> with
                    member _.Report _ = source.Cancel()
            }

            let run () = ensureWith packed.Value (1L <<< 30) server (folder.At("sets")) progress source.Token
            let isCancelled (error: exn) = Expect.isTrue (error :? OperationCanceledException) "cancelled"
            Expect.throwsC (run >> ignore) isCancelled

            Expect.equal (folder.Names("sets")) [ part ] "only the part"

        testCase "two at once: one downloads, both find"
        <| fun () ->
            use folder = new TemporaryFolder()

            use server =
                new LoopbackServer(fun _ _ ->
                    Thread.Sleep 100
                    Reply.whole packed.Value)

            let runs = Array.Parallel.init 2 (fun _ -> ensure packed.Value server (folder.At("sets")))
            Expect.allEqual runs runs[0] "the same folder"
            Expect.equal server.Requests.Length 1 "one download"
            unpacked folder
    ]

let private places =
    testList "place" [
        testCase "an archive put there by hand is unpacked and stays"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.status "500 Oops")
            File.WriteAllBytes(folder.At("cifar-10-binary.tar.gz"), packed.Value)
            ensure packed.Value server folder.Path |> ignore
            Expect.equal (folder.Names()) [ "cifar-10-batches-bin"; "cifar-10-binary.tar.gz" ] "both"
            Expect.isEmpty server.Requests "no request"

        testCase "a wrong archive put there by hand is named and stays"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.status "500 Oops")
            File.WriteAllBytes(folder.At("cifar-10-binary.tar.gz"), [| 1uy; 2uy |])
            refused (fun () -> ensure packed.Value server folder.Path) [ "not the official archive"; folder.Path ]
            Expect.equal (folder.Names()) [ "cifar-10-binary.tar.gz" ] "not ours to delete"

        testCase "a folder of other things is not downloaded into"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.whole packed.Value)
            File.WriteAllText(folder.At("thesis.tex"), "")

            Expect.throwsT<RequestException>
                (fun () -> ensure packed.Value server folder.Path |> ignore)
                "the request was wrong"

            Expect.equal (folder.Names()) [ "thesis.tex" ] "untouched"

        testCase "what a process that died left aside is cleared"
        <| fun () ->
            use folder = new TemporaryFolder()
            use server = new LoopbackServer(fun _ _ -> Reply.whole packed.Value)
            Directory.CreateDirectory(folder.At("sets", ".cifar-10-binary.tar.gz.0123", "half")) |> ignore
            ensure packed.Value server (folder.At("sets")) |> ignore
            unpacked folder
    ]

/// An archive with these entries beside the sound ones is refused, and nothing of it stays anywhere.
let private hostile name (entries: TarEntry list) parts =
    testCase name
    <| fun () ->
        use folder = new TemporaryFolder()
        let bytes = HandmadeCifar.archive (HandmadeCifar.entries () @ entries)
        use server = new LoopbackServer(fun _ _ -> Reply.whole bytes)
        refused (fun () -> ensureWith bytes 40_000L server (folder.At("sets")) null CancellationToken.None) parts
        Expect.isEmpty (folder.Names()) "nothing is left, and nothing got out"

/// A tar header: a name, octal digits of the size, and the kind.
let private header (name: string) (size: string) (kind: char) =
    let bytes: byte array = Array.zeroCreate 512
    let put (at: int) (text: string) = System.Text.Encoding.ASCII.GetBytes(text).CopyTo(bytes, at)
    put 0 name
    put 100 "0000644"
    put 124 size
    put 148 "        "
    put 156 (string kind)
    put 257 "ustar\00000"
    put 148 (System.Convert.ToString(Array.sumBy int bytes, 8).PadLeft(6, '0') + "\000 ")
    bytes

let private block (text: string) =
    let bytes: byte array = Array.zeroCreate 512
    System.Text.Encoding.ASCII.GetBytes(text).CopyTo(bytes, 0)
    bytes

/// What the reader would hold in memory whatever its length is refused at its header: what follows is not looked at.
let private announced name (tar: byte array) parts =
    testCase name
    <| fun () ->
        use folder = new TemporaryFolder()

        let bytes =
            use packed = new MemoryStream()

            do
                use zipped = new GZipStream(packed, CompressionLevel.Fastest)
                zipped.Write tar

            packed.ToArray()

        use server = new LoopbackServer(fun _ _ -> Reply.whole bytes)
        refused (fun () -> ensureWith bytes 40_000L server (folder.At("sets")) null CancellationToken.None) parts
        Expect.isEmpty (folder.Names()) "nothing is left"

let private contents =
    testList "content" [
        for name, kind in [ "long name", 'L'; "long link", 'K'; "attributes", 'x'; "attributes of all", 'g' ] do
            // A byte more than is allowed, and as many as the field holds.
            for size in [ "00000040001"; "77777777777" ] do
                announced
                    $"a {name} of {size} octal bytes"
                    (Array.append (header "a" size kind) (Array.replicate 100_000 (byte 'a')))
                    [ "a name or attributes of"; "16,384" ]

        announced
            "a size among the attributes"
            (Array.concat [
                header "a" "00000000017" 'x'
                block "15 size=999999\n"
                header "a" "00000000001" '0'
                block "x"
            ])
            [ "sizes among its attributes" ]

        hostile "a path upwards" [ HandmadeCifar.file "../escaped.txt" [| 1uy |] ] [
            "'../escaped.txt', which leaves its folder"
        ]

        hostile "a path upwards from inside" [ HandmadeCifar.file "cifar-10-batches-bin/../../escaped.txt" [| 1uy |] ] [
            "leaves its folder"
        ]

        hostile "an absolute path" [ HandmadeCifar.file "/escaped.txt" [| 1uy |] ] [ "leaves its folder" ]

        hostile "a Windows path" [ HandmadeCifar.file "c:\\escaped.txt" [| 1uy |] ] [ "leaves its folder" ]

        hostile "a symbolic link" [ PaxTarEntry(TarEntryType.SymbolicLink, "out", LinkName = "..") ] [
            "'out', a SymbolicLink"
        ]

        hostile "a hard link" [ PaxTarEntry(TarEntryType.HardLink, "out", LinkName = "/etc/hostname") ] [
            "'out', a HardLink"
        ]

        hostile "a pipe" [ PaxTarEntry(TarEntryType.Fifo, "pipe") ] [ "'pipe', a Fifo" ]

        hostile "the same file twice" [ HandmadeCifar.file "cifar-10-batches-bin/test_batch.bin" [| 1uy |] ] [ "twice" ]

        hostile "too many bytes" [ HandmadeCifar.file "zeros" (Array.zeroCreate 10_000) ] [ "more than 40,000 bytes" ]

        hostile "too many entries" [ for i in 1..1_000 -> HandmadeCifar.file $"empty/{i}" [||] ] [
            "more than 1,000 entries"
        ]

        testCase "no archive at all"
        <| fun () ->
            use folder = new TemporaryFolder()
            let bytes = Array.init 2_000 byte
            use server = new LoopbackServer(fun _ _ -> Reply.whole bytes)
            refused (fun () -> ensure bytes server (folder.At("sets"))) [ "not a sound .tar.gz" ]
            Expect.isEmpty (folder.Names("sets")) "nothing is left"

        testCase "an archive of something else"
        <| fun () ->
            use folder = new TemporaryFolder()
            let bytes = HandmadeCifar.archive [ HandmadeCifar.file "readme.txt" [| 1uy |] ]
            use server = new LoopbackServer(fun _ _ -> Reply.whole bytes)
            let run () = ensure bytes server (folder.At("sets"))
            refused run [ "lacks cifar-10-batches-bin/data_batch_1.bin" ]
            Expect.isEmpty (folder.Names("sets")) "nothing is left"
    ]

let tests = testList "cifar archive" [ downloads; places; contents ]
