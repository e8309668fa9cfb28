module Hybrid.Tests.Runtime.ShimMendTests

open System
open System.IO
open Expecto
open Hybrid.Host.Runtime

/// Little-endian fields at their offsets: enough of an ELF file to have one need for one version.
let private synthetic (version: string) (flags: uint16) =
    let image = Array.zeroCreate<byte> 512
    let put16 (at: int) (value: int) = BitConverter.TryWriteBytes(Span(image, at, 2), uint16 value) |> ignore
    let put32 (at: int) (value: uint32) = BitConverter.TryWriteBytes(Span(image, at, 4), value) |> ignore
    let put64 (at: int) (value: int64) = BitConverter.TryWriteBytes(Span(image, at, 8), value) |> ignore

    let section index (kind: uint32) (offset: int64) (size: int64) (link: uint32) (info: uint32) =
        let at = 64 + index * 64
        put32 (at + 4) kind
        put64 (at + 24) offset
        put64 (at + 32) size
        put32 (at + 40) link
        put32 (at + 44) info

    [| 0x7fuy; byte 'E'; byte 'L'; byte 'F'; 2uy; 1uy; 1uy |].CopyTo(image, 0)
    put16 16 3 // a shared object
    put64 40 64L // section headers follow the file header,
    put16 58 64 // 64 bytes each,
    put16 60 4 // four of them:
    section 0 3u 320L 32L 0u 0u // names
    section 1 0x6ffffffeu 352L 32L 0u 1u // needs of one file
    section 2 11u 384L 24L 0u 0u // no symbol but the null one
    section 3 0x6fffffffu 408L 2L 0u 0u
    Text.Encoding.ASCII.GetBytes(version).CopyTo(image, 321)
    put16 354 1 // one version of that file
    put32 360 16u // its entry follows
    put16 372 (int flags)
    put16 374 2
    put32 376 1u
    image

let private inFolder work =
    let folder = Directory.CreateTempSubdirectory "hybrid-shim-"

    try
        work (fun name -> Path.Combine(folder.FullName, name))
    finally
        folder.Delete true

let private applied (image: byte array) =
    inFolder (fun path ->
        File.WriteAllBytes(path "source", image)
        ShimMend.Apply(path "source", path "mended")
        Expect.equal (File.ReadAllBytes(path "source")) image "the source is as it was"
        Expect.hasLength (Directory.GetFileSystemEntries(path "")) 2 "nothing else is left behind"
        File.ReadAllBytes(path "mended"))

let private changes (before: byte array) (after: byte array) =
    Expect.hasLength after before.Length "the length is as it was"

    [
        for i in 0 .. before.Length - 1 do
            if before[i] <> after[i] then
                i, before[i], after[i]
    ]

let private state (image: byte array) = ShimMend.Inspect(ReadOnlySpan image)

/// The library as the package brought it. The output folder has the mended one, or none on other systems.
let private packaged =
    let packages =
        match Environment.GetEnvironmentVariable "NUGET_PACKAGES" with
        | null
        | "" -> Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.UserProfile, ".nuget", "packages")
        | folder -> folder

    let version = typeof<TorchSharp.torch.Tensor>.Assembly.GetName().Version
    let folder = Path.Combine(packages, "torchsharp", $"{version.Major}.{version.Minor}.{version.Build}")
    Path.Combine(folder, "runtimes", "linux-x64", "native", "libLibTorchSharp.so")

let tests =
    testList "ShimMend" [
        testCase "tells the four states apart"
        <| fun () ->
            Expect.equal (state (synthetic ShimMend.Version 0us)) ShimState.Needed "insists"
            Expect.equal (state (synthetic ShimMend.Version 2us)) ShimState.Mended "prefers"
            Expect.equal (state (synthetic "GLIBCXX_3.4.30" 0us)) ShimState.NotNeeded "asks for another version"
            Expect.equal (state (Array.create 512 7uy)) ShimState.NotElf "no ELF"

        testCase "sets the weak flag and keeps the others"
        <| fun () ->
            let image = synthetic ShimMend.Version 4us
            Expect.equal (changes image (applied image)) [ 372, 4uy, 6uy ] "the low byte of vna_flags"

        testCase "leaves a mended or unconcerned library as it is"
        <| fun () ->
            for image in [ synthetic ShimMend.Version 2us; synthetic "GLIBCXX_3.4.30" 0us ] do
                Expect.equal (applied image) image "bytes"

        testCase "reads no further than a truncated file goes"
        <| fun () ->
            let image = synthetic ShimMend.Version 0us

            for length in 0..376 do
                Expect.equal (state image[.. length - 1]) ShimState.NotElf $"cut to {length} bytes"

        testCase "is not led astray by damaged fields"
        <| fun () ->
            let random = Random 7

            for _ in 1..20_000 do
                let image = synthetic ShimMend.Version 0us

                for _ in 1 .. random.Next(1, 6) do
                    image[random.Next image.Length] <- byte (random.Next 256)

                state image |> ignore

        testCase "writes nothing when it refuses"
        <| fun () ->
            inFolder (fun path ->
                File.WriteAllBytes(path "source", Array.create 512 7uy)
                File.WriteAllText(path "mended", "as before")

                Expect.throwsT<InvalidDataException> (fun () -> ShimMend.Apply(path "source", path "mended")) "no ELF"

                Expect.equal (File.ReadAllText(path "mended")) "as before" "the destination")

        testCase "replaces a link without writing through it"
        <| fun () ->
            inFolder (fun path ->
                let image = synthetic ShimMend.Version 0us
                File.WriteAllBytes(path "cached", image)
                File.CreateSymbolicLink(path "output", path "cached") |> ignore
                ShimMend.Apply(path "cached", path "output")
                Expect.equal (File.ReadAllBytes(path "cached")) image "the cached file"
                Expect.equal (ShimMend.Inspect(path "output")) ShimState.Mended "the output")

        testCase "changes two bytes of TorchSharp's library, and never the package"
        <| fun () ->
            if not (File.Exists packaged) then
                skiptest "no package cache with TorchSharp's Linux library"

            let image = File.ReadAllBytes packaged
            Expect.equal (state image) ShimState.Needed "as packaged"
            let mended = applied image
            Expect.equal (state mended) ShimState.Mended "mended"
            Expect.hasLength (changes image mended) 1 "bytes that differ, of a field of two"
            Expect.equal (applied mended) mended "mending twice"

        testCase "has made the library here loadable"
        <| fun () ->
            if not (OperatingSystem.IsLinux()) then
                skiptest "only Linux asks for a C++ runtime by version"

            let output = Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so")
            let loads = ShimMend.Inspect output <> ShimState.Needed || ShimMend.MachineProvides()
            Expect.isTrue loads "the library in this folder"
    ]
