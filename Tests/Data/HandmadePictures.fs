/// Picture files of every odd kind, byte by byte or from the encoder, so that no file has to be kept.
module Hybrid.Tests.Data.HandmadePictures

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression
open System.Text
open SkiaSharp

let private bigEndian (number: int) =
    let bytes: byte array = Array.zeroCreate 4
    BinaryPrimitives.WriteInt32BigEndian(bytes, number)
    bytes

let private crc (bytes: byte array) =
    let mutable crc = UInt32.MaxValue

    for b in bytes do
        crc <- crc ^^^ uint32 b

        for _ in 1..8 do
            crc <- if crc &&& 1u = 0u then crc >>> 1 else (crc >>> 1) ^^^ 0xEDB88320u

    int ~~~crc

let chunk (name: string) (data: byte array) =
    let body = Array.append (Encoding.ASCII.GetBytes name) data
    Array.concat [ bigEndian data.Length; body; bigEndian (crc body) ]

let private signature = [| 0x89uy; byte 'P'; byte 'N'; byte 'G'; 13uy; 10uy; 26uy; 10uy |]

let private zlib (bytes: byte array) =
    use target = new MemoryStream()

    do
        use packed = new ZLibStream(target, CompressionLevel.Fastest, true)
        packed.Write bytes

    target.ToArray()

/// A PNG file of any colour type and depth: `extra` chunks before the pixels, `line` gives the bytes of each row.
let png width height depth colourType extra (line: int -> byte array) =
    let header =
        Array.concat [ bigEndian width; bigEndian height; [| byte depth; byte colourType; 0uy; 0uy; 0uy |] ]

    let rows = Array.concat [ for y in 0 .. height - 1 -> Array.append [| 0uy |] (line y) ]

    Array.concat [ signature; chunk "IHDR" header; yield! extra; chunk "IDAT" (zlib rows); chunk "IEND" [||] ]

/// A PNG of red, green and blue from a function of x and y.
let rgb width height (pixel: int -> int -> byte list) =
    png width height 8 2 [] (fun y -> [|
        for x in 0 .. width - 1 do
            yield! pixel x y
    |])

/// A PNG of one colour.
let plain width height (red, green, blue) = rgb width height (fun _ _ -> [ red; green; blue ])

/// A JPEG of the same pixels as a PNG, with hardly a loss.
let jpegOf (png: byte array) =
    use bitmap = SKBitmap.Decode png
    use data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 100)
    data.ToArray()

/// A JPEG that says how the camera was held: EXIF's orientation 1 to 8.
let withOrientation (orientation: int) (jpeg: byte array) =
    let tiff =
        Array.concat [
            "MM\000*"B
            bigEndian 8
            [| 0uy; 1uy; 0x01uy; 0x12uy; 0uy; 3uy |]
            bigEndian 1
            [| 0uy; byte orientation; 0uy; 0uy |]
            bigEndian 0
        ]

    let body = Array.append "Exif\000\000"B tiff
    let length = body.Length + 2
    Array.concat [ jpeg[..1]; [| 0xFFuy; 0xE1uy; byte (length >>> 8); byte length |]; body; jpeg[2..] ]

/// A CMYK JPEG of 8x8 pixels without cyan and with full magenta and yellow: red.
let cmykRed =
    Convert.FromBase64String(
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJTUjI+"
        + "WmFaUGBKUVJP/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABQAAQAAAAAAAAAAAAAAAAAAAAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADg"
        + "RDAE0AWQBLAAA/AE4YDAnP/9k="
    )

/// A GIF of two frames of 2x2 pixels, red and then blue.
let animatedGif =
    Convert.FromBase64String(
        "R0lGODdhAgACAIEAAP8AAAAA/wAAAAAAACwAAAAAAgACAAAIBgABCAQQEAAsAAAAAAIAAgCBAAD/AAAAAAAAAAAACAYAAQgEEBAAOw=="
    )

/// The readable oddities: a name, the file, its colour all over, and what the remark must say; nothing where empty.
let odd: (string * byte array * (int * int * int) * string) list =
    let two (number: int) = [| byte (number >>> 8); byte number |]
    let row width (pixel: byte array) = Array.replicate width pixel |> Array.concat
    let animation = chunk "acTL" (Array.append (bigEndian 2) (bigEndian 0))

    [
        "palette.png",
        png 9 5 8 3 [ chunk "PLTE" [| 9uy; 9uy; 9uy; 200uy; 100uy; 50uy |] ] (fun _ -> row 9 [| 1uy |]),
        (200, 100, 50),
        ""
        // Half transparent black on white.
        "alpha.png", png 9 5 8 6 [] (fun _ -> row 9 [| 0uy; 0uy; 0uy; 128uy |]), (127, 127, 127), ""
        "clear.png", png 9 5 8 6 [] (fun _ -> row 9 [| 7uy; 7uy; 7uy; 0uy |]), (255, 255, 255), ""
        "grey.png", png 9 5 8 0 [] (fun _ -> row 9 [| 77uy |]), (77, 77, 77), "greyscale"
        "grey-alpha.png", png 9 5 8 4 [] (fun _ -> row 9 [| 77uy; 255uy |]), (77, 77, 77), "greyscale"
        "deep.png",
        png 9 5 16 2 [] (fun _ -> row 9 (Array.concat [ two 0x2000; two 0x8000; two 0xFFFF ])),
        (0x20, 0x80, 0xFF),
        "16 bits"
        "deep-grey.png", png 9 5 16 0 [] (fun _ -> row 9 (two 0x4000)), (0x40, 0x40, 0x40), "16 bits"
        "grey.jpg", jpegOf (png 16 16 8 0 [] (fun _ -> row 16 [| 77uy |])), (77, 77, 77), ""
        "cmyk.jpg", cmykRed, (255, 0, 0), "CMYK"
        "animated.png", png 9 5 8 2 [ animation ] (fun _ -> row 9 [| 1uy; 2uy; 3uy |]), (1, 2, 3), "animated"
        "animated.jpg", animatedGif, (255, 0, 0), "animated"
        "speck.png", plain 1 1 (4uy, 5uy, 6uy), (4, 5, 6), ""
        "ribbon.png", plain 900 1 (4uy, 5uy, 6uy), (4, 5, 6), ""
    ]

let private little (number: int) = BitConverter.GetBytes number
let private little16 (number: int) = BitConverter.GetBytes(uint16 number)

/// A BMP of one colour, three bytes a pixel.
let bmp width height (red, green, blue) =
    let stride = (3 * width + 3) / 4 * 4

    let row =
        Array.concat [
            Array.replicate width [| blue; green; red |] |> Array.concat
            Array.zeroCreate (stride - 3 * width)
        ]

    Array.concat [
        "BM"B
        little (54 + stride * height)
        little 0
        little 54
        little 40
        little width
        little height
        little16 1
        little16 24
        Array.concat (List.replicate 6 (little 0))
        Array.concat (Array.replicate height row)
    ]

/// A WebP of the same pixels as a PNG, without a loss.
let webpOf (png: byte array) =
    use bitmap = SKBitmap.Decode png
    use pixels = bitmap.PeekPixels()
    use data = pixels.Encode(SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, 1.0f))
    data.ToArray()

/// An icon that holds a PNG.
let ico (png: byte array) =
    Array.concat [
        [| 0uy; 0uy; 1uy; 0uy; 1uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy |]
        little16 32
        little png.Length
        little 22
        png
    ]

/// Formats that a decoder may know and that none is asked to read: a name, the file, and what the remark must say.
let strange: (string * byte array * string) list =
    let tiff = Array.concat [ "II*\000"B; little 8; Array.zeroCreate 200 ]
    let box (brand: byte array) = Array.concat [ bigEndian 24; "ftyp"B; brand; Array.zeroCreate 40 ]

    [
        "icon.png", ico (png 5000 5000 1 0 [] (fun _ -> Array.zeroCreate 625)), "an icon"
        "icon.ico", ico (plain 8 8 (1uy, 2uy, 3uy)), "an icon"
        "cursor.png", [| 0uy; 0uy; 2uy; 0uy; 1uy; 0uy; 8uy; 8uy |], "an icon"
        "wbmp.png", Array.append [| 0uy; 0uy; 8uy; 8uy |] (Array.zeroCreate 8), "not a picture"
        "raw.dng", tiff, "raw file"
        "scan.jpg", tiff, "TIFF"
        "photo.heic", box "heic"B, "HEIF"
        "photo.avif", box "avif"B, "AVIF"
        "photo.jxl", [| 0xFFuy; 0x0Auy; 1uy; 2uy; 3uy |], "JPEG XL"
        "drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"B, "SVG"
        "xbm.png", "#define x_width 8\n#define x_height 8\n"B, "not a picture"
        "fax.png", [| 0uy; 1uy; 2uy |], "not a picture"
    ]

/// Small files whose headers name more pixels than are read: a name and the file.
let vast: (string * byte array) list =
    let side = 60_000

    [
        "png",
        Array.concat [
            signature
            chunk "IHDR" (Array.concat [ bigEndian side; bigEndian side; [| 8uy; 2uy; 0uy; 0uy; 0uy |] ])
        ]
        "gif", Array.concat [ "GIF89a"B; little16 side; little16 side; [| 0x80uy; 0uy; 0uy |]; Array.zeroCreate 40 ]
        "bmp", Array.concat [ (bmp 1 1 (0uy, 0uy, 0uy))[..17]; little side; little -side; Array.zeroCreate 40 ]
        "webp",
        Array.concat [
            "RIFF"B
            little 40
            "WEBPVP8X"B
            little 10
            little 0
            [| 0x5Fuy; 0xEAuy; 0uy; 0x5Fuy; 0xEAuy; 0uy |]
            Array.zeroCreate 20
        ]
        "jpg",
        [|
            0xFFuy
            0xD8uy
            0xFFuy
            0xC0uy
            0uy
            11uy
            8uy
            0xEAuy
            0x60uy
            0xEAuy
            0x60uy
            1uy
            1uy
            0x11uy
            0uy
        |]
    ]

/// A progressive JPEG that goes over its pixels many times.
let manyScans =
    let size = [| 0x1Fuy; 0x40uy |]

    let frame =
        Array.concat [ [| 0xFFuy; 0xC2uy; 0uy; 11uy; 8uy |]; size; size; [| 1uy; 1uy; 0x11uy; 0uy |] ]

    let scan = [| 0xFFuy; 0xDAuy; 0uy; 8uy; 1uy; 1uy; 0uy; 0uy; 0uy; 0uy; 0uy |]
    Array.concat [ [| 0xFFuy; 0xD8uy |]; frame; Array.concat (Array.replicate 1000 scan) ]

/// What cannot be read: a name, the file, and what the remark must say.
let broken: (string * byte array * string) list =
    let whole = rgb 40 40 (fun x y -> [ byte (x * y); byte (x * 7); byte (y * 31) ])
    let jpeg = jpegOf whole
    let huge = Array.concat [ bigEndian 60000; bigEndian 60000; [| 8uy; 2uy; 0uy; 0uy; 0uy |] ]

    [
        "empty.png", [||], "is empty"
        "text.jpg", "this is not a picture at all"B, "not a picture"
        "cut.png", whole[.. whole.Length / 2], "cut off"
        "cut.jpg", jpeg[.. jpeg.Length / 2], "cut off"
        "stub.png", whole[..20], "cut off"
        "stub.jpg", jpeg[..20], "cut off"
        "flipped.png", Array.mapi (fun place b -> if place = whole.Length / 2 then b ^^^ 0xFFuy else b) whole, "damaged"
        "bomb.png",
        Array.concat [ signature; chunk "IHDR" huge; chunk "IDAT" (zlib [| 0uy |]); chunk "IEND" [||] ],
        "60,000x60,000 pixels"
    ]

/// Writes a file below a folder, with the folders on its way.
let write (path: string) (bytes: byte array) =
    Directory.CreateDirectory(Path.GetDirectoryName path |> string) |> ignore
    File.WriteAllBytes(path, bytes)
