namespace Hybrid

#nowarn "9" // Addresses of tensors' memory.

open System
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open System.Runtime.Intrinsics
open FSharp.NativeInterop
open TorchSharp

/// Numbers in memory, some at a time read into and written from float32. A loop over a struct of this kind is compiled
/// for that struct alone: it costs no call.
type internal ILanes =
    /// Numbers at a time.
    abstract Width: int
    /// Of one number.
    abstract Bytes: int
    abstract Load: address: nativeint -> Vector256<float32>
    abstract Store: address: nativeint * Vector256<float32> -> unit

module private Memory =

    let inline singles (address: nativeint) = NativePtr.ofNativeInt<float32> address

    let inline halves (address: nativeint) = NativePtr.ofNativeInt<uint16> address

    /// bfloat16 numbers are the upper halves of float32 numbers.
    let inline widen (numbers: Vector128<uint16>) =
        let wide = Vector256.Create(Vector128.WidenLower numbers, Vector128.WidenUpper numbers)
        Vector256.ShiftLeft(wide, 16).AsSingle()

    /// Rounds to the nearest, to even between two. libtorch's NaN stays one.
    let inline narrow (numbers: Vector256<float32>) =
        let bits = numbers.AsUInt32()
        let odd = Vector256.BitwiseAnd(Vector256.ShiftRightLogical(bits, 16), Vector256.Create 1u)
        let rounded = Vector256.Add(bits, Vector256.Add(odd, Vector256.Create 0x7FFFu))
        let upper = Vector256.ShiftRightLogical(rounded, 16)
        Vector128.Narrow(upper.GetLower(), upper.GetUpper())

[<Struct>]
type internal Singles8 =

    interface ILanes with

        member _.Width = 8

        member _.Bytes = 4

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Load(address) = Vector256.Load(Memory.singles address)

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Store(address, numbers) = Vector256.Store(numbers, Memory.singles address)

[<Struct>]
type internal Singles4 =

    interface ILanes with

        member _.Width = 4

        member _.Bytes = 4

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Load(address) = Vector128.Load(Memory.singles address).ToVector256()

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Store(address, numbers) = Vector128.Store(numbers.GetLower(), Memory.singles address)

[<Struct>]
type internal Singles1 =

    interface ILanes with

        member _.Width = 1

        member _.Bytes = 4

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Load(address) = Vector256.CreateScalar(NativePtr.read (Memory.singles address))

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Store(address, numbers) = NativePtr.write (Memory.singles address) (numbers.ToScalar())

[<Struct>]
type internal BFloats8 =

    interface ILanes with

        member _.Width = 8

        member _.Bytes = 2

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Load(address) = Memory.widen (Vector128.Load(Memory.halves address))

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Store(address, numbers) = Vector128.Store(Memory.narrow numbers, Memory.halves address)

[<Struct>]
type internal BFloats4 =

    interface ILanes with

        member _.Width = 4

        member _.Bytes = 2

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Load(address) = Memory.widen (Vector64.Load(Memory.halves address).ToVector128())

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Store(address, numbers) = Vector64.Store((Memory.narrow numbers).GetLower(), Memory.halves address)

[<Struct>]
type internal BFloats1 =

    interface ILanes with

        member _.Width = 1

        member _.Bytes = 2

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Load(address) = Memory.widen (Vector128.CreateScalar(NativePtr.read (Memory.halves address)))

        [<MethodImpl(MethodImplOptions.AggressiveInlining)>]
        member _.Store(address, numbers) = NativePtr.write (Memory.halves address) ((Memory.narrow numbers).ToScalar())

/// Work on numbers of any kind. F# lets no generic method give a unit: what only writes gives what it has written.
type internal ILanesWork<'T> =
    abstract On<'L when 'L: struct and 'L :> ILanes> : unit -> 'T

[<RequireQualifiedAccess>]
module internal Lanes =

    /// The widest lanes that divide rows of so many channels.
    let choose (dtype: torch.ScalarType) channels (work: ILanesWork<'T>) : 'T =
        match dtype, channels % 8 with
        | torch.ScalarType.BFloat16, 0 -> work.On<BFloats8>()
        | torch.ScalarType.BFloat16, 4 -> work.On<BFloats4>()
        | torch.ScalarType.BFloat16, _ -> work.On<BFloats1>()
        | _, 0 -> work.On<Singles8>()
        | _, 4 -> work.On<Singles4>()
        | _ -> work.On<Singles1>()

    let inline width<'L when 'L: struct and 'L :> ILanes> = Unchecked.defaultof<'L>.Width

    let inline bytes<'L when 'L: struct and 'L :> ILanes> = Unchecked.defaultof<'L>.Bytes

    let inline load<'L when 'L: struct and 'L :> ILanes> address = Unchecked.defaultof<'L>.Load address

    let inline store<'L when 'L: struct and 'L :> ILanes> address numbers =
        Unchecked.defaultof<'L>.Store(address, numbers)

    /// The largest of `Width`.
    let widest = 8

    /// Numbers per channel at an address that stays for as long as they live, with room behind them for a last vector.
    let pinned (channels: int) =
        let numbers = GC.AllocateArray<float32>(channels + widest, pinned = true)
        numbers, Marshal.UnsafeAddrOfPinnedArrayElement(numbers, 0)

    /// Numbers per channel for rows that are `wide`: the channels of one pixel or of several side by side.
    let perChannel wide (numbers: float array) =
        let all, address = pinned wide

        for place in 0 .. wide - 1 do
            all[place] <- float32 numbers[place % numbers.Length]

        all, address

    /// Of numbers per channel, those from `place` on.
    let inline at (numbers: nativeint) (place: int) =
        Vector256.Load(NativePtr.ofNativeInt<float32>(numbers + nativeint (4 * place)))

    /// Adds to float32 numbers in memory.
    let inline add<'L when 'L: struct and 'L :> ILanes> (address: nativeint) (numbers: Vector256<float32>) =
        let sum = NativePtr.ofNativeInt<float32> address

        if width<'L> = widest then
            Vector256.Store(Vector256.Load sum + numbers, sum)
        else
            for lane in 0 .. width<'L> - 1 do
                NativePtr.set sum lane (NativePtr.get sum lane + numbers.GetElement lane)

    /// The memory of a contiguous tensor on the CPU, for as long as the tensor lives.
    let addressOf (x: Tensor) =
        let bytes = x.bytes
        NativePtr.toNativeInt (NativePtr.ofVoidPtr<byte>(Unsafe.AsPointer(&MemoryMarshal.GetReference bytes)))
