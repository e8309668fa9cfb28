module Hybrid.Tests.Data.FolderLayoutTests

open Hybrid
open System
open System.IO
open Expecto
open Hybrid.Host.Data
open Hybrid.Host.Runtime
open Hybrid.Tests.Data
open HandmadePictures

/// Pictures of one colour, in a folder `set`.
let private fill (folder: TemporaryFolder) (paths: string list) =
    for path in paths do
        write (folder.At("set", path)) (plain 6 5 (1uy, 2uy, 3uy))

let private openAt (folder: TemporaryFolder) testing =
    ImageFolder(folder.At "set", 4, 4, false, ImageCache null, Output true, testing)

let private count (part: System.Func<Dataset> | null) =
    match part with
    | null -> 0
    | part -> part.Invoke().Count

/// How many images each part has.
let private counts (set: ImageFolder) =
    let parts = set.Parts()
    count parts.Train, count parts.Val, count parts.Test

let private two part = [ $"{part}/a/1.png"; $"{part}/b/1.png" ]

/// What is there, and how many images are found in train, val and test.
let private found = [
    "Roboflow's names", two "train" @ two "valid" @ two "test", (2, 2, 2)
    "Keras's names", two "train" @ two "validation", (2, 2, 0)
    "capitals", two "Train" @ two "VAL" @ two "Test", (2, 2, 2)
    "longer names", two "Training" @ two "dev" @ two "testing", (2, 2, 2)
    "folders inside classes", "train/a/x/2.png" :: "train/b/x/y/z/3.png" :: two "train", (4, 0, 0)
    "pictures only in folders inside classes", [ "train/a/x/1.png"; "train/b/x/1.png" ], (2, 0, 0)
    "every ending", two "train" @ [ for it in [ "JPG"; "jfif"; "webp"; "bmp"; "gif" ] -> $"train/a/2.{it}" ], (7, 0, 0)
    "an unlabelled test", "test/1.png" :: two "train", (2, 0, 0)
    "an unlabelled test in one more folder", "test/images/1.png" :: two "train", (2, 0, 0)
    "an empty test", "test/notes.txt" :: two "train", (2, 0, 0)
    "a sibling of no part", "extra/1.png" :: two "train" @ two "test", (2, 0, 2)
    "a class called train in train", [ "train/train/1.png"; "train/bus/1.png" ], (2, 0, 0)
    "a class called train", [ "train/1.png"; "bus/1.png"; "car/1.png" ], (3, 0, 0)
    "a class called test", [ "test/1.png"; "control/1.png" ], (2, 0, 0)
    "classes called val and dev", [ "val/1.png"; "dev/1.png"; "a/1.png"; "b/1.png" ], (4, 0, 0)
    "one folder inside each class", [ "a/2020/1.png"; "b/1.png" ], (2, 0, 0)
    "classes with a word of parts in them", [ "train station/1.png"; "test tube/1.png"; "fold/1.png" ], (3, 0, 0)
    "classes that differ in case", [ "train/Cat/1.png"; "train/cat/1.png" ], (2, 0, 0)
    "what zip and Jupyter leave", "train/__MACOSX/._1.png" :: "train/.ipynb_checkpoints/1.png" :: two "train", (2, 0, 0)
]

/// What can be read in two ways or in none, and what the message names.
let private refused = [
    "two names of one part", two "train" @ two "val" @ two "valid", [ "'val'"; "'valid'" ]
    "two spellings of train", two "train" @ two "Train", [ "'Train'"; "'train'" ]
    "classes beside a part test", [ "a/1.png"; "b/1.png" ] @ two "test", [ "two ways"; "test"; "a, b" ]
    "a class called train with folders inside", [ "train/x/1.png"; "bus/1.png" ], [ "two ways"; "bus" ]
    "pictures without classes", [ "train/1.png"; "test/1.png" ], [ "train"; "CLASS" ]
    "an unlabelled val", "val/1.png" :: two "train", [ "val"; "CLASS" ]
    "train among classes that are called as parts", [ "train/1.png"; "val/1.png"; "a/1.png" ], [ "two ways" ]
    "classes in one more folder", two "images", [ "a, b"; "did you mean folder:"; "images?" ]
    "parts in one more folder", two "data/train" @ two "data/val", [ "did you mean folder:"; "data?" ]
    "parts in two more folders", two "x/data/train" @ two "x/data/val", [ "did you mean folder:"; "data?" ]
    "parts by other names", two "training_set" @ two "test_set", [ "training_set"; "a, b"; "Call them train" ]
    "parts of parts by other names",
    two "seg_train/seg_train" @ two "seg_test/seg_test",
    [ "seg_train"; "Call them train" ]
    "parts by other names in one word, a class short",
    two "trainset" @ [ "testset/a/1.png" ],
    [ "trainset"; "testset"; "Call them train" ]
    "parts by other names without classes",
    [ "train_images/1.png"; "test_images/1.png" ],
    [ "train_images"; "test_images"; "with a folder of each class inside" ]
    "folds of a cross-validation",
    two "fold_1" @ [ "fold_2/a/1.png" ],
    [ "fold_1, fold_2"; "cross-validation"; "into val" ]
    "a class of val in another case", two "train" @ [ "val/A/1.png" ], [ "'A' differs from 'a' only in case"; "rename" ]
    "an accent written otherwise",
    [ "train/caf\u00e9/1.png"; "train/b/1.png"; "val/cafe\u0301/1.png" ],
    [ "how accents are written"; "rename" ]
    "one class in train", [ "train/images/a/1.png"; "train/images/b/1.png" ], [ "one class, 'images'"; "right in" ]
]

let tests =
    testList "folder layout" [
        for name, paths, expected in found do
            test $"found: {name}" {
                use folder = new TemporaryFolder()
                fill folder paths
                Expect.equal (counts (openAt folder false)) expected "train, val, test"
            }

        for name, paths, words in refused do
            test $"refused: {name}" {
                use folder = new TemporaryFolder()
                fill folder paths

                Expect.throwsC (fun () -> openAt folder false |> ignore) (fun error ->
                    Expect.isTrue (error :? RequestException) $"{error}"

                    for word in words do
                        Expect.stringContains error.Message word "message")
            }

        test "links that lead back end the walk, and a linked folder is read" {
            use folder = new TemporaryFolder()
            fill folder (two "train")
            write (folder.At("elsewhere", "2.png")) (plain 6 5 (1uy, 2uy, 3uy))
            let link (path: string) (target: string) = Directory.CreateSymbolicLink(path, target) |> ignore
            link (folder.At("set", "train", "a", "more")) (folder.At "elsewhere")
            link (folder.At("set", "train", "a", "back")) ".."
            link (folder.At("elsewhere", "itself")) (folder.At "elsewhere")
            Expect.equal (counts (openAt folder false)) (3, 0, 0) "a, more and b"
        }

        test "to predict, links are followed as to train, and pictures that are not read are said" {
            use folder = new TemporaryFolder()
            fill folder (two "train")
            write (folder.At("elsewhere", "2.png")) (plain 6 5 (1uy, 2uy, 3uy))
            Directory.CreateSymbolicLink(folder.At("set", "more"), folder.At "elsewhere") |> ignore
            Directory.CreateSymbolicLink(folder.At("elsewhere", "back"), folder.At "set") |> ignore
            write (folder.At("set", "scan.TIFF")) [| 1uy |]
            write (folder.At("set", "notes.txt")) [| 1uy |]
            let said = ResizeArray<string>()
            let found = PictureSearch.Find([ folder.At "set" ], Action<string> said.Add)

            Expect.equal
                [ for path in found -> Path.GetRelativePath(folder.At("set"), path) ]
                [ "more/2.png"; "train/a/1.png"; "train/b/1.png" ]
                "in order"

            Expect.equal said.Count 1 "one warning"
            Expect.stringContains said[0] "1 picture of formats that are not read (.TIFF)" "counted"
            let only () = PictureSearch.Find [ folder.At("set", "none") ] |> ignore
            write (folder.At("set", "none", "x.heic")) [| 1uy |]
            Expect.throwsC only (fun error -> Expect.stringContains error.Message "1 file of other formats" "named")
        }

        for name, link, target, words in
            [
                "a class that is another", "train/c", "train/a", [ "of two classes"; "take the link away" ]
                "a class around the others", "train/c", "train", [ "of two classes" ]
                "val that is train", "val", "train", [ "are one folder" ]
                "a class of val that is the class of train", "val/a", "train/a", [ "are one folder"; "Take the link" ]
            ] do
            test $"refused as a link: {name}" {
                use folder = new TemporaryFolder()
                fill folder (two "train")
                Directory.CreateDirectory(Path.GetDirectoryName(folder.At("set", link)) |> string) |> ignore
                Directory.CreateSymbolicLink(folder.At("set", link), folder.At("set", target)) |> ignore

                Expect.throwsC (fun () -> openAt folder false |> ignore) (fun error ->
                    Expect.isTrue (error :? RequestException) $"{error}"

                    for word in words do
                        Expect.stringContains error.Message word "message")
            }

        test "a part that is a link to nothing is refused, whatever its name in any case" {
            for name in [ "val"; "Test"; "train" ] do
                use folder = new TemporaryFolder()
                fill folder (two (if name = "train" then "training" else "train"))
                Directory.CreateSymbolicLink(folder.At("set", name), "/not/mounted") |> ignore

                Expect.throwsC (fun () -> openAt folder false |> ignore) (fun error ->
                    Expect.stringContains error.Message $"{name}' is a link that leads nowhere" "what to do")
        }

        test "names that are no text are named, and nothing is left out for them without a word" {
            if OperatingSystem.IsLinux() then
                use folder = new TemporaryFolder()
                fill folder (two "train")

                let make (what: string) =
                    let script = $"import os; os.chdir(os.environ['SET']); {what}"
                    let info = Diagnostics.ProcessStartInfo("python3", [ "-c"; script ])
                    info.Environment["SET"] <- folder.At "set"
                    use work = Diagnostics.Process.Start info |> Option.ofObj |> Option.get
                    work.WaitForExit()
                    Expect.equal work.ExitCode 0 what

                make "open(b'train/a/f\\xfcr.png', 'wb').write(open('train/a/1.png', 'rb').read())"
                Expect.equal (counts (openAt folder false)) (2, 0, 0) "without it"
                let strict = ImageFolder(folder.At "set", 4, 4, true, ImageCache null, Output true, false)
                Expect.throwsT<WorkException> (fun () -> strict.Parts().Train.Invoke() |> ignore) "refused as asked"
                make "os.mkdir(b'train/m\\xfcll')"

                for testing in [ false; true ] do
                    Expect.throwsC (fun () -> openAt folder testing |> ignore) (fun error ->
                        Expect.isTrue (error :? RequestException) $"{error}"
                        Expect.stringContains error.Message "no UTF-8 text" "what is wrong"
                        Expect.stringContains error.Message "rename" "what to do")

                Expect.throwsC (fun () -> PictureSearch.Find [ folder.At "set" ] |> ignore) (fun error ->
                    Expect.stringContains error.Message "no UTF-8 text" "to predict, too")

                // .NET cannot remove what it cannot name.
                make "import shutil; shutil.rmtree(b'train')"
        }

        test "for testing a part alone will do, and one class" {
            use folder = new TemporaryFolder()
            fill folder [ "test/b/1.png" ]
            Directory.CreateDirectory(folder.At("set", "test", "empty")) |> ignore
            let set = openAt folder true
            Expect.equal (List.ofSeq set.Classes) [ "b" ] "classes with pictures"
            Expect.equal (set.Parts().Test.Invoke().Count) 1 "one image"
            let train () = set.Parts().Train.Invoke() |> ignore
            Expect.throwsT<RequestException> train "there is no train folder"
        }
    ]
