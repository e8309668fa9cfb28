module Hybrid.Tests.Data.CifarFilesTests

open Hybrid
open Hybrid.Tests
open System
open System.IO
open Expecto
open Hybrid.Host.Data
open Hybrid.Host.Runtime

let private fails<'error when 'error :> exn> action (parts: string list) =
    Expect.throwsC action (fun error ->
        Expect.isTrue (error :? 'error) $"{error.GetType().Name} instead of {typeof<'error>.Name}: {error.Message}"
        Expect.isFalse (error.Message.Contains '\n') "one line"

        for part in parts do
            Expect.stringContains error.Message part "the message")

let private read root split () = CifarFiles.Read(CifarVariant.Cifar10, root, split) |> ignore

/// A folder with the six files, one of them changed.
let private broken (name: string) (change: byte[] -> byte[]) test =
    use folder = new TemporaryFolder()
    HandmadeCifar.write folder.Path
    let path = folder.At(name)
    File.WriteAllBytes(path, change (File.ReadAllBytes path))
    test folder.Path path

/// The image, channels last, that the planes of a handmade record spell.
let private expected image = [|
    for row in 0..31 do
        for column in 0..31 do
            for channel in 0..2 -> HandmadeCifar.pixel image channel row column
|]

/// The folder above the real files; the test is skipped where they are absent.
let private official () =
    Shared.path [ "data"; "cifar-10-batches-bin" ] |> ignore
    Shared.path [ "data" ]

let private handmade =
    testList "handmade" [
        testCase "files are read in order, planes become pixels"
        <| fun () ->
            use folder = new TemporaryFolder()
            HandmadeCifar.write folder.Path
            let set = CifarFiles.Read(CifarVariant.Cifar10, folder.Path, Split.Train)
            Expect.equal (List.ofArray set.Labels) [ 1L; 2L; 2L; 3L; 3L; 4L; 4L; 5L; 5L; 6L ] "labels"
            Expect.equal (set.Count, set.Height, set.Width) (10, 32, 32) "shape"

            for index in 0..9 do
                Expect.equal (set.Image(index).ToArray()) (expected (index + 2)) $"image {index}"

            let test = CifarFiles.Read(CifarVariant.Cifar10, folder.Path, Split.Test)
            Expect.equal (List.ofArray test.Labels) [ 9L; 0L ] "test labels"

        testCase "the archive's folder is found in the folder above it"
        <| fun () ->
            use folder = new TemporaryFolder()
            HandmadeCifar.write (folder.At("cifar-10-batches-bin"))
            Expect.equal (CifarFiles.Read(CifarVariant.Cifar10, folder.Path, Split.Test).Count) 2 "records"

        testCase "files may differ in length and span several blocks"
        <| fun () ->
            let long = Array.init 5_000 (fun i -> i % 10)

            broken "data_batch_3.bin" (fun _ -> HandmadeCifar.records 0 long) (fun folder _ ->
                let set = CifarFiles.Read(CifarVariant.Cifar10, folder, Split.Train)
                Expect.equal set.Count 5_008 "records"
                Expect.equal (set.Image(4 + 4_500).ToArray()) (expected 4_500) "an image of the second block"
                Expect.equal set.Labels[4 + 4_507] 7L "its label")

        testCase "names come from the file of names where there is one"
        <| fun () ->
            use folder = new TemporaryFolder()
            HandmadeCifar.write folder.Path
            let classes () = CifarFiles.Read(CifarVariant.Cifar10, folder.Path, Split.Test).Classes |> List.ofSeq
            Expect.equal (classes ()).[9] "truck" "built in"
            File.WriteAllLines(folder.At("batches.meta.txt"), [ for i in 0..9 -> $"class {i}" ] @ [ "" ])
            Expect.equal (classes ()).[9] "class 9" "from the file"
            File.WriteAllLines(folder.At("batches.meta.txt"), [ "only one" ])
            fails<WorkException> (classes >> ignore) [ "batches.meta.txt"; "names 1 classes"; "10 were expected" ]
            File.WriteAllLines(folder.At("batches.meta.txt"), [ for i in 0..9 -> $"class {i % 9}" ])
            fails<WorkException> (classes >> ignore) [ "batches.meta.txt"; "two classes are called"; "class 0" ]
            File.WriteAllLines(folder.At("batches.meta.txt"), [ for i in 0..9 -> String('x', 1001) + string i ])
            fails<WorkException> (classes >> ignore) [ "batches.meta.txt"; "more than 1000 characters" ]
            File.WriteAllLines(folder.At("batches.meta.txt"), [ for i in 0..9 -> $"a\000{i}" ])
            fails<WorkException> (classes >> ignore) [ "batches.meta.txt"; "NUL" ]

            File.WriteAllBytes(
                folder.At("batches.meta.txt"),
                [|
                    for i in 0uy .. 9uy do
                        yield! [ 0xE9uy; 48uy + i; 10uy ]
                |]
            )

            fails<WorkException> (classes >> ignore) [ "batches.meta.txt"; "no UTF-8" ]
            File.WriteAllText(folder.At("batches.meta.txt"), String('x', 1 <<< 20))
            fails<WorkException> (classes >> ignore) [ "batches.meta.txt"; "longer than" ]

        testCase "a pipe or a device in the place of the file of names is not waited for"
        <| fun () ->
            if not (OperatingSystem.IsLinux()) then
                skiptest "devices are Linux's"

            use folder = new TemporaryFolder()
            HandmadeCifar.write folder.Path
            let names = folder.At "batches.meta.txt"
            let read () = CifarFiles.Read(CifarVariant.Cifar10, folder.Path, Split.Test) |> ignore
            File.CreateSymbolicLink(names, "/dev/zero") |> ignore
            fails<WorkException> read [ "batches.meta.txt"; "no ordinary file" ]
            File.Delete names
            System.Diagnostics.Process.Start("mkfifo", names).WaitForExit()
            fails<WorkException> read [ "batches.meta.txt"; "no ordinary file" ]

        testCase "files behind links are the files"
        <| fun () ->
            use folder = new TemporaryFolder()
            HandmadeCifar.write (folder.At "elsewhere")

            for file in Directory.GetFiles(folder.At "elsewhere") do
                File.CreateSymbolicLink(folder.At(string (Path.GetFileName file)), file) |> ignore

            Expect.equal (CifarFiles.Read(CifarVariant.Cifar10, folder.Path, Split.Test).Count) 2 "records"

        testCase "CIFAR-100: the second label is the class"
        <| fun () ->
            use folder = new TemporaryFolder()
            File.WriteAllBytes(folder.At("train.bin"), HandmadeCifar.record [ 19; 99 ] 7)
            let set = CifarFiles.Read(CifarVariant.Cifar100, folder.Path, Split.Train)
            Expect.equal set.Labels [| 99L |] "fine"
            Expect.equal (set.Image(0).ToArray()) (expected 7) "pixels"
            Expect.equal set.Classes.Count 100 "classes"
            let names = List.ofSeq set.Classes
            Expect.equal names (List.sort (List.distinct names)) "a hundred names, in alphabetical order"
    ]

let private wrong =
    testList "wrong" [
        testCase "no folder"
        <| fun () ->
            let parts = [ "no folder '/no/such/place'"; "test_batch.bin" ]
            fails<RequestException> (read "/no/such/place" Split.Test) parts

        testCase "a folder of something else"
        <| fun () ->
            use folder = new TemporaryFolder()
            fails<RequestException> (read folder.Path Split.Train) [ folder.Path; "data_batch_1.bin" ]

        testCase "a missing file is named, and only it"
        <| fun () ->
            use folder = new TemporaryFolder()
            HandmadeCifar.write folder.Path
            File.Delete(folder.At("data_batch_4.bin"))
            fails<RequestException> (read folder.Path Split.Train) [ $"'{folder.Path}' lacks data_batch_4.bin:" ]
            read folder.Path Split.Test ()

        testCase "a file that was cut off"
        <| fun () ->
            broken "data_batch_2.bin" (Array.truncate 5_000) (fun folder path ->
                let parts = [ path; "5,000 bytes, 1 records and 1,927 bytes"; "3,073" ]
                fails<WorkException> (read folder Split.Train) parts)

        testCase "an empty file"
        <| fun () ->
            broken "test_batch.bin" (fun _ -> [||]) (fun folder path ->
                fails<WorkException> (read folder Split.Test) [ path; "is empty" ])

        testCase "a label out of range"
        <| fun () ->
            broken "data_batch_5.bin" (fun _ -> HandmadeCifar.records 0 [ 3; 10 ]) (fun folder path ->
                fails<WorkException> (read folder Split.Train) [ path; "label 10 in record 1"; "0 to 9" ])
    ]

let private real =
    testList "official files" [
        testCase "the training files"
        <| fun () ->
            let root = official ()
            let set = CifarFiles.Read(CifarVariant.Cifar10, root, Split.Train)
            Expect.equal set.Count 50_000 "images"
            Expect.equal (List.ofArray set.Labels[..9]) [ 6L; 9L; 9L; 4L; 1L; 1L; 2L; 7L; 8L; 3L ] "a frog, trucks, …"
            Expect.equal (set.Labels |> Array.countBy id |> Array.map snd) (Array.create 10 5_000) "balanced"
            Expect.equal set.Classes[6] "frog" "names"

            // Published means of the training images, in 0..1: 0.4914, 0.4822, 0.4465.
            let sums = Array.zeroCreate<int64> 3
            set.Images |> Array.iteri (fun i value -> sums[i % 3] <- sums[i % 3] + int64 value)
            let means = [ for sum in sums -> Math.Round(float sum / (50_000. * 1024. * 255.), 4) ]
            Expect.equal means [ 0.4914; 0.4822; 0.4465 ] "red, green, blue"

        testCase "the test file, of any whole number of records"
        <| fun () ->
            let root = official ()
            let set = CifarFiles.Read(CifarVariant.Cifar10, root, Split.Test)
            Expect.isGreaterThanOrEqual set.Count 1_000 "images"
            Expect.equal (List.ofArray set.Labels[..4]) [ 3L; 8L; 8L; 0L; 6L ] "a cat, ships, an airplane, a frog"
    ]

let tests = testList "cifar files" [ handmade; wrong; real ]
