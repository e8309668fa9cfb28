module Hybrid.Tests.Data.ImageFolderTests

open Hybrid
open System.IO
open Expecto
open Hybrid.Host.Data
open Hybrid.Host.Runtime
open Hybrid.Tests.Data
open HandmadePictures

/// People's part goes to stderr.
let private output = Output true

let private openAt (folder: TemporaryFolder) refuseBroken =
    ImageFolder(folder.At "set", 4, 4, refuseBroken, ImageCache(folder.At "cache"), output)

/// Pictures of one colour each, told apart by their red.
let private fill (folder: TemporaryFolder) (files: (string * int) list) =
    for path, red in files do
        write (folder.At("set", path)) (plain 6 5 (byte red, 0uy, 0uy))

let private reds (set: Dataset) =
    Dataset.bytesAt [| 0 .. set.Count - 1 |] set
    |> Seq.chunkBySize 48
    |> Seq.map (Seq.head >> int)
    |> List.ofSeq

let private labels (set: Dataset) = set.Labels.data<int64>().ToArray()

let private two = [ "train/a/1.png", 1; "train/b/1.png", 2 ]

/// A wrong layout: what is there, and what the message must name.
let private wrong = [
    "nothing at all", [], [ "set" ]
    "no picture", [ "train/a/notes.txt", 1; "train/b/notes.txt", 1 ], [ "train"; "*.png" ]
    "a class without pictures", [ "train/a/1.png", 1; "train/b/notes.txt", 1 ], [ Path.Combine("train", "b"); "*.png" ]
    "one class", [ "train/a/1.png", 1 ], [ "'a'"; "two" ]
    "no train", [ "test/a/1.png", 1 ], [ "train"; "folder:"; "test" ]
    "a class that train has not", [ "val/c/1.png", 1 ] @ two, [ Path.Combine("val", "c"); "a, b" ]
    "an empty val", [ "val/a/notes.txt", 1 ] @ two, [ "val"; "*.png" ]
]

let tests =
    testList "image folder" [
        test "classes in ordinal order, files class by class" {
            use folder = new TemporaryFolder()

            fill folder [
                "train/b/1.png", 5
                "train/Z/2.PNG", 2
                "train/a/10.png", 3
                "train/a/9.png", 4
                "train/Z/1.png", 1
                "train/.hidden/1.png", 9
                "test/b/x.png", 7
            ]

            let set = openAt folder false
            Expect.equal (List.ofSeq set.Classes) [ "Z"; "a"; "b" ] "classes"
            let parts = set.Parts()
            let train = parts.Train.Invoke()
            Expect.equal (reds train) [ 1; 2; 3; 4; 5 ] "order"
            Expect.equal (labels train) [| 0L; 0L; 1L; 1L; 2L |] "labels"
            Expect.isNull parts.Val "no val"
            Expect.equal (labels (parts.Test.Invoke())) [| 2L |] "labels of train"
        }

        test "without a train folder the class folders are it" {
            use folder = new TemporaryFolder()
            fill folder [ "a/1.png", 1; "b/1.png", 2 ]
            let parts = (openAt folder false).Parts()
            Expect.equal (reds (parts.Train.Invoke())) [ 1; 2 ] "both"
            Expect.isNull parts.Test "no test"
        }

        for name, files, words in wrong do
            test $"refused: {name}" {
                use folder = new TemporaryFolder()

                for path, red in files do
                    fill folder [ path, red ]

                Expect.throwsC (fun () -> openAt folder false |> ignore) (fun error ->
                    Expect.isTrue (error :? RequestException) $"{error}"

                    for word in words do
                        Expect.stringContains error.Message word "message")
            }

        test "broken pictures are left out, or refused as asked" {
            use folder = new TemporaryFolder()
            fill folder (two @ [ "train/a/2.png", 3 ])
            write (folder.At("set", "train", "a", "0.png")) [||]
            let train = (openAt folder false).Parts().Train.Invoke()
            Expect.equal (reds train) [ 1; 3; 2 ] "the others"
            Expect.equal (labels train) [| 0L; 0L; 1L |] "keep their labels"
            let refuse () = (openAt folder true).Parts().Train.Invoke() |> ignore
            Expect.throwsC refuse (fun error -> Expect.stringContains error.Message "1 of the 4" "a count")
        }

        test "a class whose pictures are all broken is named" {
            use folder = new TemporaryFolder()
            fill folder two
            write (folder.At("set", "train", "b", "1.png")) [||]
            let read () = (openAt folder false).Parts().Train.Invoke() |> ignore

            Expect.throwsC read (fun error ->
                Expect.isTrue (error :? WorkException) $"{error}"
                Expect.stringContains error.Message (Path.Combine("train", "b")) "the class")
        }

        test "pictures are decoded once, until a file changes" {
            use folder = new TemporaryFolder()
            fill folder two
            let file = folder.At("set", "train", "a", "1.png")
            let time = File.GetLastWriteTimeUtc file
            let train () = reds ((openAt folder false).Parts().Train.Invoke())
            Expect.equal (train ()) [ 1; 2 ] "decoded"
            let stored = Directory.GetFiles(folder.At "cache") |> Array.exactlyOne

            // The same bytes at another time are the same picture.
            let written = File.GetLastWriteTimeUtc stored
            File.SetLastWriteTimeUtc(file, time.AddSeconds 2.0)
            Expect.equal (train ()) [ 1; 2 ] "as cached"
            Expect.equal (File.GetLastWriteTimeUtc stored) written "decoded once"

            let length = (FileInfo file).Length
            fill folder [ "train/a/1.png", 7 ]
            Expect.equal (FileInfo(file).Length) length "the same length"
            File.SetLastWriteTimeUtc(file, time.AddSeconds 2.0)
            Expect.equal (train ()) [ 7; 2 ] "decoded anew, though length and time are the same"
            Expect.equal (Directory.GetFiles(folder.At "cache")) [| stored |] "in the same place"
        }

        test "a damaged cache is decoded and written anew" {
            use folder = new TemporaryFolder()
            fill folder two
            let train () = reds ((openAt folder false).Parts().Train.Invoke())
            train () |> ignore
            let stored = Directory.GetFiles(folder.At "cache") |> Array.exactlyOne
            let sound = File.ReadAllBytes stored

            for place in 0 .. sound.Length - 1 do
                let bytes = Array.copy sound
                bytes[place] <- bytes[place] ^^^ 0x55uy
                File.WriteAllBytes(stored, bytes)
                Expect.equal (train ()) [ 1; 2 ] $"byte {place}"
                Expect.equal (File.ReadAllBytes stored) sound $"byte {place} mended"

            for length in [ 0; 10; 60; sound.Length - 1 ] do
                File.WriteAllBytes(stored, sound[.. length - 1])
                Expect.equal (train ()) [ 1; 2 ] $"{length} bytes"
        }

        test "pictures of many blocks keep their order, in the cache and in memory" {
            use folder = new TemporaryFolder()
            fill folder [ for red in 1..7 -> $"train/a/{red}.png", red ]
            fill folder [ "train/b/1.png", 8 ]
            write (folder.At("set", "train", "a", "3.png")) "no picture"B

            let place = folder.At "cache"

            // Blocks of two pictures; written, then as they are found there, then without a file.
            for cache in [ ImageCache(place, 100); ImageCache(place, 100); ImageCache(null, 100) ] do
                use set = ImageFolder(folder.At "set", 4, 4, false, cache, output).Parts().Train.Invoke()
                Expect.equal (reds set) [ 1; 2; 4; 5; 6; 7; 8 ] "those that can be read"
                Expect.equal (labels set) [| 0L; 0L; 0L; 0L; 0L; 0L; 1L |] "and their labels"
        }

        test "a set that is looked at stays when its file in the cache is another one's" {
            use folder = new TemporaryFolder()
            fill folder two
            use before = (openAt folder false).Parts().Train.Invoke()
            fill folder [ "train/a/1.png", 7; "train/b/2.png", 9 ]
            use after = (openAt folder false).Parts().Train.Invoke()
            Expect.equal (reds before, reds after) ([ 1; 2 ], [ 7; 2; 9 ]) "each its own"
        }

        test "a cache that cannot be written is no reason to fail" {
            use folder = new TemporaryFolder()
            fill folder two
            File.WriteAllText(folder.At "cache", "in the way")
            Expect.equal (reds ((openAt folder false).Parts().Train.Invoke())) [ 1; 2 ] "decoded"
        }
    ]
