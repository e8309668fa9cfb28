/// Sets of pictures that are larger than what training may take of the memory.
module Hybrid.Tests.Commands.LargeSetTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Hybrid.Host.Data
open Hybrid.Tests
open Hybrid.Tests.Data
open HandmadePictures

/// Drawn pictures, in folders of their classes; after the first thousand they come again.
let private draw (folder: TemporaryFolder) count =
    let drawn = Shapes.Draw(1UL, Split.Train, min count 1000)

    let files =
        Array.init drawn.Count (fun place ->
            let pixels = drawn.Image(place).ToArray()
            rgb 32 32 (fun x y -> [ for channel in 0..2 -> pixels[(y * 32 + x) * 3 + channel] ]))

    for place in 0 .. count - 1 do
        let source = place % drawn.Count
        let name = drawn.Classes[int drawn.Labels[source]]
        write (folder.At("set", name, $"{place}.png")) files[source]

/// The most memory of its own, in bytes, that a process had while it ran: pages of mapped files are everybody's.
let private peak (work: Process) =
    let status = $"/proc/{work.Id}/status"

    let own () =
        try
            File.ReadLines status
            |> Seq.tryPick (fun line ->
                match line.Split([| ' '; '\t' |], StringSplitOptions.RemoveEmptyEntries) with
                | [| "RssAnon:"; kibibytes; _ |] -> Some(1024L * int64 kibibytes)
                | _ -> None)
            |> Option.defaultValue 0L
        with :? IOException ->
            // It ended in the meantime.
            0L

    let mutable most = 0L

    while not work.HasExited do
        most <- max most (own ())
        Threading.Thread.Sleep 5

    most

let tests =
    testList "large sets" [
        test "pictures that are decoded take no memory of the run's own" {
            if not (OperatingSystem.IsLinux()) then
                skiptest "reads /proc"

            let side = 64
            let count = Effort.tries 100_000

            let train count =
                use folder = new TemporaryFolder()
                draw folder count

                let line =
                    $"train --data folder:set --image-size {side} --limit-val 100 --max-steps 20 --batch-size 32 --threads 2 --hparam num_blocks=1 --hparam c_hidden=8 --augment none --out runs"

                let run () =
                    use work =
                        Executable.startWith
                            [ ImageCache.Variable, folder.At "cache" ]
                            folder.Path
                            (Executable.words line)

                    let most = peak work
                    let outcome = Executable.finish work
                    Expect.equal outcome.ExitCode 0 outcome.Err
                    most

                // Decoded, and as found in the cache.
                run (), run ()

            let fewDecoded, few = train 1000
            let manyDecoded, many = train count
            let set = int64 count * int64 (side * side * 3)
            Expect.isLessThan (many - few) set "beyond a small set's, as found"
            // A block of 64 MiB at a time. Copies of the set were three.
            Expect.isLessThan (manyDecoded - fewDecoded) (set + (64L <<< 20)) "beyond a small set's, decoded"
        }
    ]
