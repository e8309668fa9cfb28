module Hybrid.Tests.Training.AugmentTests

open System
open Expecto
open TorchSharp
open Hybrid
open Hybrid.Tests.Modules.Reference
open Hybrid.Tests.Training.SmallData

let private side = 32

/// Images whose three channels are the column, the row and 1.
let private ramps count =
    let line = torch.arange (int64 side, dtype = float64)
    let column = line.view(1L, 1L, -1L).expand(1L, int64 side, int64 side)
    let row = line.view(1L, -1L, 1L).expand(1L, int64 side, int64 side)
    torch.cat([| column; row; torch.ones_like row |], 0L).unsqueeze(0L).repeat(int64 count, 1L, 1L, 1L)

type private Rectangle = { Left: float; Top: float; Width: float; Height: float }

/// The rectangle that was stretched to the whole image, read off the ramps: between the borders they stay straight.
let private rectangles (changed: Tensor) = [
    for index in 0 .. int changed.shape[0] - 1 do
        let values = numbers (changed.select (0L, int64 index))
        let at channel row column = values[(channel * side + row) * side + column]

        let measure channel near far =
            let length = (far - near) / 16.0 * float side
            // The centre of output pixel 8 lies 8.5 pixels of length / side into the rectangle.
            near + 0.5 - 8.5 * length / float side, length

        let left, width = measure 0 (at 0 16 8) (at 0 16 24)
        let top, height = measure 1 (at 1 8 16) (at 1 24 16)
        { Left = left; Top = top; Width = width; Height = height }
]

let private cropped seed area ratio (images: Tensor) =
    use generator = generator seed
    Augment.apply [ Augmentation.RandomResizedCrop(area, ratio) ] generator images

let private whole (x: float) = abs (x - round x) < 1e-6

/// Random images in 0..255.
let private noise seed count =
    use generator = generator seed

    torch
        .rand([| int64 count; 3L; int64 side; int64 side |], dtype = float64, generator = generator)
        .mul_(255.0.ToScalar())

/// Bilinear interpolation of a rectangle, a pixel at a time.
let private stretched (image: float array) (r: Rectangle) channel row column =
    let place start length index =
        max 0.0 (min (length - 1.0) ((float index + 0.5) * length / float side - 0.5)) + start

    let y, x = place r.Top r.Height row, place r.Left r.Width column
    let y0, x0 = int (floor y), int (floor x)
    let y1, x1 = min (y0 + 1) (side - 1), min (x0 + 1) (side - 1)
    let fy, fx = y - float y0, x - float x0
    let at row column = image[(channel * side + row) * side + column]
    (1.0 - fy) * ((1.0 - fx) * at y0 x0 + fx * at y0 x1) + fy * ((1.0 - fx) * at y1 x0 + fx * at y1 x1)

/// Mean area of the tutorial's crops, one rectangle after the other as torchvision describes it.
let private expectedArea count =
    let random = Random 1
    let between low high = low + (high - low) * random.NextDouble()

    let rec draw attempts =
        let area = between 0.8 1.0 * float (side * side)
        let ratio = exp (between (log 0.9) (log 1.1))
        let w, h = round (sqrt (area * ratio)), round (sqrt (area / ratio))

        if attempts = 0 then float (side * side)
        elif w <= float side && h <= float side then w * h
        else draw (attempts - 1)

    List.init count (fun _ -> draw 10 / float (side * side)) |> List.average

let private inScope name test = testCase name (fun () -> use _ = torch.NewDisposeScope() in test ())

let tests =
    testList "augment" [
        inScope "none leaves the images themselves"
        <| fun () ->
            use generator = generator 1
            let images = noise 1 4
            Expect.isTrue (obj.ReferenceEquals(Augment.apply [] generator images, images)) "the same tensor"

        inScope "a flip of probability 1 mirrors, one of 0 does not"
        <| fun () ->
            use generator = generator 1
            let images = noise 1 4
            let flip p = Augment.apply [ Augmentation.HorizontalFlip p ] generator images
            Expect.equal (numbers (flip 1.0)) (numbers (images.flip 3L)) "mirrored"
            Expect.equal (numbers (flip 0.0)) (numbers images) "as they were"

        inScope "a flip of probability 0.5 mirrors about half of them, each whole"
        <| fun () ->
            use generator = generator 1
            let count = 2000
            let images = ramps count
            let flipped = Augment.apply [ Augmentation.HorizontalFlip 0.5 ] generator images
            let first = flipped.select(1L, 0L).select(1L, 0L).select(1L, 0L) |> numbers
            let mirrored = first |> Array.filter (fun column -> column = float (side - 1)) |> Array.length
            let asTheyWere = first |> Array.filter (fun column -> column = 0.0) |> Array.length
            Expect.equal (mirrored + asTheyWere) count "nothing in between"
            // Five standard deviations.
            Expect.isLessThan (abs (mirrored - count / 2)) 112 "about half"

        inScope "the whole image at its own ratio stays as it is"
        <| fun () ->
            let images = noise 2 8
            Expect.equal (numbers (cropped 5 (1.0, 1.0) (1.0, 1.0) images)) (numbers images) "unchanged"

        inScope "crops are whole pixels inside the image, of the areas and ratios asked for"
        <| fun () ->
            for (areaLow, areaHigh), (ratioLow, ratioHigh) in
                [ (0.8, 1.0), (0.9, 1.1); (0.1, 0.3), (0.5, 2.0); (0.5, 0.5), (1.0, 1.0) ] do
                for r in rectangles (cropped 7 (areaLow, areaHigh) (ratioLow, ratioHigh) (ramps 500)) do
                    Expect.all [ r.Left; r.Top; r.Width; r.Height ] whole $"whole pixels: {r}"
                    Expect.isGreaterThan (min r.Left r.Top) -1e-6 $"inside: {r}"
                    Expect.isLessThan (max (r.Left + r.Width) (r.Top + r.Height)) (float side + 1e-6) $"inside: {r}"
                    // Each side was rounded to a whole pixel.
                    let area by = (r.Width + by) * (r.Height + by) / float (side * side)
                    Expect.isTrue (area 0.5 >= areaLow && area -0.5 <= areaHigh) $"area: {r}"
                    let ratio by = (r.Width + by) / (r.Height - by)
                    Expect.isTrue (ratio 0.5 >= ratioLow && ratio -0.5 <= ratioHigh) $"ratio: {r}"

        inScope "a crop is bilinear, pixel by pixel"
        <| fun () ->
            let images = noise 3 6
            let area, ratio = (0.2, 0.9), (0.5, 2.0)
            // The rectangles depend on the generator alone, not on the images.
            let crops = rectangles (cropped 11 area ratio (ramps 6))
            let changed = cropped 11 area ratio images

            for index, r in List.indexed crops do
                let image = numbers (images.select (0L, int64 index))

                let expected = [|
                    for channel in 0..2 do
                        for row in 0 .. side - 1 do
                            for column in 0 .. side - 1 -> stretched image r channel row column
                |]

                let off = difference (numbers (changed.select (0L, int64 index))) expected
                Expect.isLessThan off 1e-9 $"image {index}: {r}"

        inScope "values stay within the image's own"
        <| fun () ->
            let images = noise 4 50
            let changed = cropped 13 (0.1, 1.0) (0.5, 2.0) images

            let bounds (x: Tensor) =
                Array.zip (numbers (x.flatten(1L).amin [| 1L |])) (numbers (x.flatten(1L).amax [| 1L |]))

            for (low, high), (low', high') in Array.zip (bounds images) (bounds changed) do
                Expect.isTrue (low' >= low - 1e-9 && high' <= high + 1e-9) "no overshoot"

        inScope "every image has a rectangle of its own"
        <| fun () ->
            let crops = rectangles (cropped 17 (0.8, 1.0) (0.9, 1.1) (ramps 300))
            let rounded = crops |> List.map (fun r -> round r.Left, round r.Top, round r.Width, round r.Height)
            Expect.isGreaterThan (List.distinct rounded).Length 100 "many rectangles"
            Expect.isGreaterThan (rounded |> List.map (fun (left, _, _, _) -> left) |> List.distinct).Length 3 "lefts"
            Expect.isGreaterThan (rounded |> List.map (fun (_, top, _, _) -> top) |> List.distinct).Length 3 "tops"

        inScope "areas are spread as torchvision's are"
        <| fun () ->
            let crops = rectangles (cropped 19 (0.8, 1.0) (0.9, 1.1) (ramps 4000))
            let mean = crops |> List.averageBy (fun r -> r.Width * r.Height / float (side * side))
            // A crop's area has a standard deviation of 0.055: five of the mean's are 0.005.
            Expect.isLessThan (abs (mean - expectedArea 20_000)) 0.006 $"mean area {mean}"

        inScope "where no rectangle fits, the largest of an allowed ratio from the middle"
        <| fun () ->
            let wide = rectangles (cropped 23 (1.0, 1.0) (2.0, 2.0) (ramps 3))
            Expect.all wide (fun r -> whole r.Top && round r.Height = 16.0 && round r.Width = 32.0) "wide"
            Expect.all wide (fun r -> round r.Top = 8.0 && round r.Left = 0.0) "in the middle"
            let tall = rectangles (cropped 23 (1.0, 1.0) (0.5, 0.5) (ramps 3))
            Expect.all tall (fun r -> round r.Height = 32.0 && round r.Width = 16.0 && round r.Left = 8.0) "tall"

        inScope "the same generator gives the same images, whatever is in them; another gives others"
        <| fun () ->
            let images = noise 6 16

            let change seed =
                use generator = generator seed
                numbers (Augment.apply Augment.tutorial generator images)

            Expect.equal (change 1) (change 1) "the same"
            Expect.notEqual (change 1) (change 2) "others"
    ]
