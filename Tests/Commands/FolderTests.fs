module Hybrid.Tests.Commands.FolderTests

open System
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Text.Json
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Host.Data
open Hybrid.Tests
open Hybrid.Tests.Data
open HandmadePictures

/// The user's own cache stays as it is.
let private withoutCache () = Environment.SetEnvironmentVariable(ImageCache.Variable, "off")

let private small = [
    yield! [ "train"; "--json"; "--epochs"; "1"; "--batch-size"; "32"; "--out"; "runs" ]
    yield! [ "--hparam"; "num_blocks=1,1,1"; "--hparam"; "c_hidden=4,8,8" ]
]

let private text (json: JsonElement) (field: string) = json.GetProperty(field).GetString() |> string

/// The published folder of JPEG files, unpacked.
let private unpack (folder: TemporaryFolder) =
    use archive = File.OpenRead(Shared.path [ "data"; "cifar10-jpeg-folder.tar.gz" ])
    use unpacked = new GZipStream(archive, CompressionMode.Decompress)
    TarFile.ExtractToDirectory(unpacked, folder.Path, overwriteFiles = false)
    folder.At "cifar10-jpeg"

/// Three classes of plain pictures, each of a red of its own.
let private threeClasses (folder: TemporaryFolder) (part: string) count =
    for place, name in List.indexed [ "dark"; "light"; "middle" ] do
        for number in 1..count do
            write (folder.At("set", part, name, $"{number}.png")) (plain 20 30 (byte (place * 100), byte number, 0uy))

let private tensors path =
    dict [ for tensor in CheckpointFile.Read(path).Tensors -> tensor.Name, tensor.Bytes.ToArray() ]

let tests =
    testList "image folders" [
        test "JPEG files train, test and predict" {
            withoutCache ()
            use folder = new TemporaryFolder()
            let data = unpack folder
            let result = (Executable.succeed folder.Path (small @ [ "--data"; $"folder:{data}" ])).Json
            Expect.equal (result.GetProperty("steps").GetInt64()) 16L "540 of 600 images in batches of 32"
            let checkpoint = text result "best_checkpoint"
            let tested = (Executable.succeed folder.Path [ "test"; "--checkpoint"; checkpoint; "--json" ]).Json
            Expect.equal (tested.GetProperty("count").GetInt32()) 200 "test images"

            let predicted =
                Executable.succeed folder.Path [
                    "predict"
                    "--checkpoint"
                    checkpoint
                    "--json"
                    Path.Combine(data, "test")
                ]

            let files = predicted.Json.GetProperty("predictions").EnumerateArray() |> List.ofSeq
            Expect.equal files.Length 200 "one a file"

            let right =
                files
                |> List.filter (fun it ->
                    let folder = text it "file" |> Path.GetDirectoryName |> Path.GetFileName
                    let best = it.GetProperty("classes").EnumerateArray() |> Seq.head
                    best.GetString() = folder)

            Expect.equal right.Length (tested.GetProperty("correct").GetInt32()) "predict and test agree"

            for it in files do
                let shares = [ for share in it.GetProperty("probabilities").EnumerateArray() -> share.GetDouble() ]
                Expect.equal shares (List.sortDescending shares) "best first"
                Expect.equal shares.Length 5 "five"
                Expect.isLessThanOrEqual (List.sum shares) 1.000001 "shares"
        }

        test "val is validated on, and without test nothing is tested" {
            withoutCache ()
            use folder = new TemporaryFolder()
            threeClasses folder "train" 16
            threeClasses folder "val" 3
            let outcome = Executable.succeed folder.Path (small @ [ "--data"; "folder:set" ])
            Expect.stringContains outcome.Err "48 images to train on, 9 to validate on, 0 to test on" "counts"
            Expect.equal (outcome.Json.GetProperty("steps").GetInt64()) 1L "no image is taken from train"
            Expect.equal (outcome.Json.GetProperty("test_acc").ValueKind) JsonValueKind.Null "not tested"
            Expect.equal (outcome.Json.GetProperty("val_acc").ValueKind) JsonValueKind.Number "validated"
            let twice = Executable.run folder.Path (small @ [ "--data"; "folder:set"; "--val-size"; "5" ])
            Expect.equal twice.ExitCode 2 "a val folder and a part of train"
            Expect.stringContains twice.Err "--val-size" "named"
        }

        test "odd and broken files are counted, each kind in one warning for the whole set, and the run goes on" {
            withoutCache ()
            use folder = new TemporaryFolder()
            threeClasses folder "train" 16
            threeClasses folder "val" 1

            for name, file, _, _ in odd do
                write (folder.At("set", "train", "dark", name)) file

            for name, file, _ in broken do
                write (folder.At("set", "train", "light", name)) file

            for number in 1..33 do
                write (folder.At("set", "val", "dark", $"broken{number}.png")) [||]

            File.WriteAllText(folder.At("set", "train", "light", "notes.txt"), "not a picture")
            let arguments = small @ [ "--data"; "folder:set" ]
            let outcome = Executable.succeed folder.Path arguments
            let images = 48 + odd.Length
            Expect.stringContains outcome.Err $"{images} images to train on, 3 to validate on" "all but the broken ones"
            let warnings = outcome.Err.Split '\n' |> Array.filter (fun line -> line.StartsWith "warning: ")
            Expect.equal warnings.Length 3 $"{warnings}"
            let about (words: string) = warnings |> Array.filter (fun line -> line.Contains words) |> Array.exactlyOne
            let left = about "cannot be read and are left out"
            let total = images + 3 + broken.Length + 33
            Expect.stringContains left $"{broken.Length + 33} of {total} pictures" "a count over both parts"
            Expect.stringContains left "is empty, or no regular file; " "one of a kind"
            Expect.stringContains left $"and {broken.Length + 30} more" "no more than three are named"
            Expect.stringContains (about "are unusual") $" of {total} pictures" "what was made into something else"
            Expect.stringContains (about "notes.txt") "is not a picture by its name" "as before"
            let strict = Executable.run folder.Path (arguments @ [ "--refuse-broken" ])
            Expect.equal strict.ExitCode 1 "refused as asked"
            Expect.stringContains strict.Err $"{broken.Length} of the" "a count"
        }

        test "a checkpoint knows the size of its images" {
            withoutCache ()
            use folder = new TemporaryFolder()
            threeClasses folder "train" 16
            threeClasses folder "test" 2
            let arguments = small @ [ "--data"; "folder:set"; "--image-size"; "24x40"; "--val-size"; "0" ]
            let checkpoint = text (Executable.succeed folder.Path arguments).Json "best_checkpoint"
            let summary = (Executable.succeed folder.Path [ "summary"; "--checkpoint"; checkpoint; "--json" ]).Json
            let input = [ for side in summary.GetProperty("input").EnumerateArray() -> side.GetInt32() ]
            Expect.equal input [ 3; 24; 40 ] "channels, height, width"
            let tested = (Executable.succeed folder.Path [ "test"; "--checkpoint"; checkpoint; "--json" ]).Json
            Expect.equal (tested.GetProperty("count").GetInt32()) 6 "tested at that size"
        }

        test "--init with another number of classes gives the network a new last layer" {
            withoutCache ()
            use folder = new TemporaryFolder()
            threeClasses folder "train" 16

            let first =
                Executable.succeed
                    folder.Path
                    (small @ [ "--limit-train"; "64"; "--limit-val"; "8"; "--limit-test"; "8" ])

            let start = text first.Json "best_checkpoint"
            let still = [ "--lr"; "1e-30"; "--weight-decay"; "0"; "--data"; "folder:set"; "--val-size"; "0" ]
            let second = Executable.succeed folder.Path (small @ still @ [ "--init"; start ])

            for words in [ "10 classes in the file, 3 here"; "the last layer starts anew"; "taken" ] do
                Expect.stringContains second.Err words "it is said"

            let before, after = tensors start, tensors (text second.Json "best_checkpoint")
            Expect.equal (List.ofSeq after.Keys) (List.ofSeq before.Keys) "the same tensors"

            for name in before.Keys do
                if name.EndsWith ".weight" || name.EndsWith ".bias" then
                    if name.StartsWith "output_net." then
                        Expect.isLessThan after[name].Length before[name].Length $"{name}: three classes"
                    else
                        Expect.equal after[name] before[name] $"{name}: as it was"

            let wider = small |> List.map (fun word -> word.Replace("c_hidden=4,8,8", "c_hidden=4,8,16"))
            let other = Executable.run folder.Path (wider @ still @ [ "--init"; start ])
            Expect.equal other.ExitCode 1 "another body is an error"
            Expect.stringContains other.Err "does not fit the network" "as before"
        }
    ]
