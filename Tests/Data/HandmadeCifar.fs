/// Small files in the official binary form, of bytes that depend on their place.
module Hybrid.Tests.Data.HandmadeCifar

open System
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Security.Cryptography
open Hybrid.Host.Data

/// The pixel of an image, by its place: scattered, so that a displaced byte shows and an archive does not shrink away.
let pixel (image: int) (channel: int) (row: int) (column: int) =
    let place = uint32 (((image * 3 + channel) * 32 + row) * 32 + column)
    byte ((place * 2654435761u) >>> 24)

/// One record: the label bytes, then the red, the green and the blue plane.
let record (labels: int list) image = [|
    yield! labels |> List.map byte
    for channel in 0..2 do
        for row in 0..31 do
            for column in 0..31 -> pixel image channel row column
|]

/// Records of CIFAR-10 with these labels, the images numbered from `first`.
let records first labels = labels |> Seq.mapi (fun i label -> record [ label ] (first + i)) |> Array.concat

/// The six files of CIFAR-10, two records in each.
let files = [
    for i in 1..5 do
        $"data_batch_{i}.bin", records (2 * i) [ i; i + 1 ]

    "test_batch.bin", records 90 [ 9; 0 ]
]

let write folder =
    Directory.CreateDirectory folder |> ignore

    for name, bytes in files do
        File.WriteAllBytes(Path.Combine(folder, name), bytes)

/// A regular file as a tar entry.
let file name (bytes: byte[]) =
    PaxTarEntry(TarEntryType.RegularFile, name, DataStream = new MemoryStream(bytes)) :> TarEntry

/// The entries of an archive as the publisher packs it.
let entries () = [
    PaxTarEntry(TarEntryType.Directory, "cifar-10-batches-bin/") :> TarEntry

    for name, bytes in files do
        file $"cifar-10-batches-bin/{name}" bytes
]

/// A .tar.gz of these entries.
let archive (entries: TarEntry list) =
    use packed = new MemoryStream()

    do
        use zipped = new GZipStream(packed, CompressionLevel.Fastest)
        use tar = new TarWriter(zipped)
        entries |> List.iter tar.WriteEntry

    packed.ToArray()

/// CIFAR-10 as if these bytes were its official archive.
let variant (official: byte[]) =
    let real = CifarVariant.Cifar10

    CifarVariant(
        Name = real.Name,
        Option = real.Option,
        Folder = real.Folder,
        TrainFiles = real.TrainFiles,
        TestFiles = real.TestFiles,
        NamesFile = real.NamesFile,
        LabelBytes = real.LabelBytes,
        Classes = real.Classes,
        Archive = real.Archive,
        ArchiveBytes = official.LongLength,
        ArchiveMd5 = Convert.ToHexStringLower(MD5.HashData official)
    )
