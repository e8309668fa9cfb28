module Hybrid.Tests.Data.PictureTests

open System.IO
open Expecto
open Hybrid.Host.Data
open Hybrid.Host.Runtime
open Hybrid.Tests.Data
open HandmadePictures

/// People's part goes to stderr.
let private output = Output true

/// Files, written to a fresh folder and read at a size without a cache.
let private read height width (files: (string * byte array) list) =
    use folder = new TemporaryFolder()
    let paths = [| for name, _ in files -> folder.At name |]
    List.iter2 (fun path (_, bytes) -> write path bytes) (List.ofArray paths) files
    let listed = LabelledFiles(folder.Path, paths, [| for _ in paths -> 0L |])
    ImageCache(null).Get(listed, height, width, output)

let private bytes (read: StoredPictures) = read.Pixels.bytes.ToArray()

let private pixels height width file = read height width [ "picture", file ] |> bytes |> Array.map int |> List.ofArray

let private pattern width height =
    rgb width height (fun x y -> [ byte (x * 37 + y * 11); byte (x * x * 7 + y * 29); byte ((x * 91) ^^^ (y * 53)) ])

/// Width and height of the pattern, height and width of the result, and what Pillow 9.4 makes of it: the shorter side
/// resized with BICUBIC, the middle cropped as torchvision does.
let private golden = [
    (9, 7, 3, 3),
    "47 32 90 163 129 106 104 155 122 73 105 137 179 138 137 105 118 132 101 173 100 183 119 119 76 115 130"
    (5, 12, 2, 4), "66 159 34 111 172 130 159 224 82 204 50 70 80 207 93 125 223 110 173 125 129 218 48 52"
    (3, 2, 4, 4),
    "5 0 11 25 1 62 47 9 117 67 21 170 8 7 25 28 10 71 50 18 117 70 30 159 15 24 53 35 27 90 57 35 119 77 47 136 18 33 67 38 36 99 60 44 119 80 56 125"
]

/// Red, green, blue and white in the corners, in the order of reading.
let private corners =
    rgb 64 64 (fun x y ->
        match x < 32, y < 32 with
        | true, true -> [ 255uy; 0uy; 0uy ]
        | false, true -> [ 0uy; 255uy; 0uy ]
        | true, false -> [ 0uy; 0uy; 255uy ]
        | false, false -> [ 255uy; 255uy; 255uy ])
    |> jpegOf

let private cornerNames (pixels: byte array) side =
    [ 2, 2; side - 3, 2; 2, side - 3; side - 3, side - 3 ]
    |> List.map (fun (x, y) ->
        let at = (y * side + x) * 3

        match pixels[at] > 128uy, pixels[at + 1] > 128uy, pixels[at + 2] > 128uy with
        | true, true, true -> 'w'
        | true, _, _ -> 'r'
        | _, true, _ -> 'g'
        | _ -> 'b')
    |> Array.ofList
    |> System.String

let tests =
    testList "pictures" [
        test "a picture of the right size comes back byte for byte" {
            let expected = [
                for y in 0..31 do
                    for x in 0..31 do
                        yield!
                            [ x * 37 + y * 11; x * x * 7 + y * 29; (x * 91) ^^^ (y * 53) ]
                            |> List.map (fun n -> n % 256)
            ]

            Expect.equal (pixels 32 32 (pattern 32 32)) expected "no filter touches it"
        }

        for (width, height, h, w), expected in golden do
            test $"{width}x{height} pixels brought to {w}x{h} are Pillow's" {
                let expected = expected.Split ' ' |> Array.map int |> List.ofArray
                let off = List.map2 (fun a b -> abs (a - b)) (pixels h w (pattern width height)) expected
                Expect.isLessThanOrEqual (List.max off) 1 $"off by {off}"
            }

        test "a photograph is decoded at a part of its size and looks the same" {
            let large = rgb 640 480 (fun x y -> [ byte (x / 3); byte (y / 2); byte ((x + y) / 5) ])
            let off = List.map2 (fun a b -> abs (a - b)) (pixels 16 16 large) (pixels 16 16 (jpegOf large))
            Expect.isLessThanOrEqual (List.max off) 4 $"off by {off}"
        }

        // Rows of the table in the EXIF specification: where the stored corners r g / b w are shown.
        for orientation, shown in
            [ 1, "rgbw"; 2, "grwb"; 3, "wbgr"; 4, "bwrg"; 5, "rbgw"; 6, "brwg"; 7, "wgbr"; 8, "gwrb" ] do
            test $"EXIF orientation {orientation} is shown upright" {
                let upright = read 16 16 [ "held.jpg", withOrientation orientation corners ]
                Expect.equal (cornerNames (bytes upright) 16) shown "corners in the order of reading"
            }

        test "every odd kind is read, with one remark at most" {
            let read = read 4 4 [ for name, file, _, _ in odd -> name, file ]
            Expect.equal read.Kept.Length odd.Length "none is left out"
            let remarks = dict [ for remark in read.Remarks -> remark.File, remark ]
            Expect.equal remarks.Count read.Remarks.Count "one a file"

            odd
            |> List.iteri (fun place (name, _, (red, green, blue), says) ->
                let image = (bytes read)[place * 48 .. place * 48 + 47] |> Array.chunkBySize 3

                for pixel in image do
                    for got, wanted in Array.zip pixel [| red; green; blue |] do
                        Expect.isLessThanOrEqual (abs (int got - wanted)) 1 $"{name}: {pixel}"

                if says <> "" then
                    Expect.stringContains remarks[place].Text says name
                    Expect.isFalse remarks[place].LeftOut name)
        }

        test "what is broken is left out with one remark that says why" {
            let good = "good.png", plain 8 8 (1uy, 2uy, 3uy)
            let read = read 4 4 ([ for name, file, _ in broken -> name, file ] @ [ good ])
            Expect.equal read.Kept [| broken.Length |] "the good one alone"
            Expect.equal (bytes read).Length 48 "one picture"
            Expect.equal [ for remark in read.Remarks -> remark.File ] [ 0 .. broken.Length - 1 ] "one a file, in order"

            List.zip broken (List.ofSeq read.Remarks)
            |> List.iter (fun ((name, _, says), remark) ->
                Expect.stringContains remark.Text says name
                Expect.isTrue remark.LeftOut name)
        }

        test "WebP, BMP and GIF are read" {
            let colour = 200uy, 100uy, 50uy

            for file in [ webpOf (plain 9 9 colour); bmp 9 5 colour ] do
                Expect.equal (pixels 1 1 file) [ 200; 100; 50 ] "the colour"

            Expect.equal (pixels 1 1 animatedGif) [ 255; 0; 0 ] "the first frame"
        }

        test "no other format comes to the decoder" {
            let read = read 4 4 [ for name, file, _ in strange -> name, file ]
            Expect.isEmpty read.Kept "none is read"

            List.zip strange (List.ofSeq read.Remarks)
            |> List.iter (fun ((name, _, says), remark) -> Expect.stringContains remark.Text says name)
        }

        test "what a header asks for is looked at before anything is decoded" {
            let read = read 4 4 (("scans", manyScans) :: vast)
            Expect.isEmpty read.Kept "none is read"
            Expect.stringContains read.Remarks[0].Text "1,000 passes" "a few bytes a pass"

            for remark in Seq.tail read.Remarks do
                Expect.stringContains remark.Text "60,000x60,000 pixels" "more than are read"
        }

        test "pipes and devices are not opened" {
            if System.OperatingSystem.IsLinux() then
                use folder = new TemporaryFolder()
                let pipe, linked, zeros = folder.At "pipe.png", folder.At "linked.png", folder.At "zeros.png"
                use made = System.Diagnostics.Process.Start("mkfifo", [ pipe ])
                made.WaitForExit()
                File.CreateSymbolicLink(linked, pipe) |> ignore
                File.CreateSymbolicLink(zeros, "/dev/zero") |> ignore
                let listed = LabelledFiles(folder.Path, [| pipe; linked; zeros |], [| 0L; 0L; 0L |])
                let read = ImageCache(null).Get(listed, 4, 4, output)
                Expect.isEmpty read.Kept "none is read"

                for remark in read.Remarks do
                    Expect.stringContains remark.Text "no regular file" "why"
        }

        test "only what the files hold is cached" {
            use folder = new TemporaryFolder()
            write (folder.At "a.png") (plain 4 4 (1uy, 2uy, 3uy))

            let get (names: string list) =
                ImageCache(folder.At "cache")
                    .Get(
                        LabelledFiles(
                            folder.Path,
                            [| for name in names -> folder.At name |],
                            [| for _ in names -> 0L |]
                        ),
                        4,
                        4,
                        output
                    )

            Expect.equal (get [ "a.png"; "gone.png" ]).Kept [| 0 |] "one cannot be opened"
            Expect.isEmpty (folder.Names "cache") "which is not remembered"
            write (folder.At "broken.png") "no picture"B
            Expect.equal (get [ "a.png"; "broken.png" ]).Kept [| 0 |] "one holds no picture"
            Expect.hasLength (folder.Names "cache") 1 "which is"
        }

        test "files of the same size and time are told apart by what they hold" {
            use folder = new TemporaryFolder()
            let time = System.DateTime(2020, 1, 1)

            let pixel (colour: byte) =
                write (folder.At "a.bmp") (bmp 4 4 (colour, colour, colour))
                System.IO.File.SetLastWriteTimeUtc(folder.At "a.bmp", time)
                let files = LabelledFiles(folder.Path, [| folder.At "a.bmp" |], [| 0L |])
                (ImageCache(folder.At "cache").Get(files, 4, 4, output) |> bytes)[0]

            Expect.equal [ pixel 10uy; pixel 200uy; pixel 10uy ] [ 10uy; 200uy; 10uy ] "never what was there before"
        }

        test "what a killed writer left in the cache is removed" {
            use folder = new TemporaryFolder()
            write (folder.At "a.png") (plain 4 4 (1uy, 2uy, 3uy))
            let left, held = folder.At("cache", ".x-4x4.images.1.tmp"), folder.At("cache", ".x-4x4.images.2.tmp")
            write left "left"B
            write held "held"B
            use writer = new FileStream(held, FileMode.Open, FileAccess.Write)

            ImageCache(folder.At "cache")
                .Get(LabelledFiles(folder.Path, [| folder.At "a.png" |], [| 0L |]), 4, 4, output)
            |> ignore

            Expect.isFalse (File.Exists left) "nobody writes it"
            Expect.isTrue (File.Exists held) "somebody does"
        }
    ]
