/// Archives built byte by byte, so that tests can build those that no honest program writes.
module Hybrid.Tests.Checkpoints.Handmade

open Hybrid.Tests
open System
open System.IO
open System.Text
open Expecto
open Hybrid.Host.Checkpoints
open Hybrid.Host.Runtime

let private le16 (value: int) = BitConverter.GetBytes(uint16 value)
let private le32 (value: int64) = BitConverter.GetBytes(uint32 value)
let private le64 (value: int64) = BitConverter.GetBytes value

/// Instructions of a pickle, each as the bytes that it is.
module Op =
    let one (code: char) = [| byte code |]
    let proto = [| 0x80uy; 2uy |]
    let stop = one '.'
    let mark = one '('
    let none = one 'N'
    let yes = [| 0x88uy |]
    let no = [| 0x89uy |]
    let emptyTuple = one ')'
    let tuple = one 't'
    let tuple1 = [| 0x85uy |]
    let tuple2 = [| 0x86uy |]
    let emptyList = one ']'
    let append = one 'a'
    let appends = one 'e'
    let emptyDict = one '}'
    let setItem = one 's'
    let setItems = one 'u'
    let reduce = one 'R'
    let newObj = [| 0x81uy |]
    let build = one 'b'
    let persistent = one 'Q'
    let put (index: int) = [| byte 'q'; byte index |]
    let longPut (index: int64) = Array.append (one 'r') (le32 index)
    let get (index: int) = [| byte 'h'; byte index |]
    let longGet (index: int64) = Array.append (one 'j') (le32 index)

    /// LONG1 with eight bytes: any int64.
    let int (value: int64) = Array.concat [ [| 0x8Auy; 8uy |]; le64 value ]

    let float (value: float) = Array.append (one 'G') (Array.rev (BitConverter.GetBytes value))

    let text (value: string) =
        let bytes = Encoding.UTF8.GetBytes value
        Array.concat [ one 'X'; le32 bytes.LongLength; bytes ]

    let named (moduleName: string) (name: string) = Encoding.UTF8.GetBytes $"c{moduleName}\n{name}\n"

/// A whole pickle from the instructions between PROTO and STOP.
let pickle (operations: byte[] list) = Array.concat [ Op.proto; Array.concat operations; Op.stop ]

let tupleOf (items: byte[] list) = Array.concat [ Op.mark; Array.concat items; Op.tuple ]
let listOf (items: byte[] list) = Array.concat [ Op.emptyList; Op.mark; Array.concat items; Op.appends ]

let dictionaryOf (items: (byte[] * byte[]) list) =
    Array.concat [
        Op.emptyDict
        Op.mark
        Array.concat [ for key, value in items -> Array.append key value ]
        Op.setItems
    ]

let dictionary (items: (string * byte[]) list) = dictionaryOf [ for key, value in items -> Op.text key, value ]

let call (moduleName: string) (name: string) (arguments: byte[] list) =
    Array.concat [ Op.named moduleName name; tupleOf arguments; Op.reduce ]

let private storageTuple extra (device: string) (kind: string) (key: string) (count: int64) =
    tupleOf ([ Op.text "storage"; Op.named "torch" kind; Op.text key; Op.text device; Op.int count ] @ extra)

/// The old format's persistent id has a sixth field.
let legacyStorageOn device kind key count = Array.append (storageTuple [ Op.none ] device kind key count) Op.persistent

let legacyStorage kind key count = legacyStorageOn "cpu" kind key count

/// A storage that was on this device when it was saved.
let storageOn device kind key count = Array.append (storageTuple [] device kind key count) Op.persistent

let storage kind key count = storageOn "cpu" kind key count

/// A call of torch._utils._rebuild_tensor_v2.
let tensor (storage: byte[]) (offset: int64) (sizes: int64 list) (strides: int64 list) =
    call "torch._utils" "_rebuild_tensor_v2" [
        storage
        Op.int offset
        tupleOf (List.map Op.int sizes)
        tupleOf (List.map Op.int strides)
        Op.no
        call "collections" "OrderedDict" []
    ]

/// A contiguous float32 vector that has the storage `key` to itself.
let vector (key: string) (count: int) = tensor (storage "FloatStorage" key count) 0L [ int64 count ] [ 1L ]

let floats (values: float32 list) = Array.concat [ for value in values -> BitConverter.GetBytes value ]

/// CRC-32 bit by bit, independent of the one under test.
let crc32 (bytes: byte[]) =
    let mutable crc = 0xFFFFFFFFu

    for b in bytes do
        crc <- crc ^^^ uint32 b

        for _ in 1..8 do
            crc <- if crc &&& 1u = 0u then crc >>> 1 else (crc >>> 1) ^^^ 0xEDB88320u

    ~~~crc

type Entry = {
    Name: string
    Data: byte[]
    Method: int
    Flags: int
    /// Instead of the right checksum.
    Crc: uint32 option
    /// The size in both headers, instead of the right one.
    Size: int64 option
    /// Where the directory says that it begins, instead of where it does.
    At: int64 option
    /// The name in its own header, instead of the one in the directory.
    LocalName: string option
}

let entry name data = {
    Name = name
    Data = data
    Method = 0
    Flags = 0
    Crc = None
    Size = None
    At = None
    LocalName = None
}

let zipOf (entries: Entry list) =
    use body = new MemoryStream()
    use directory = new MemoryStream()

    for e in entries do
        let at = body.Position
        let local = Encoding.ASCII.GetBytes(defaultArg e.LocalName e.Name)
        let central = Encoding.ASCII.GetBytes e.Name
        let crc = le32 (int64 (defaultArg e.Crc (crc32 e.Data)))
        let size = le32 (defaultArg e.Size e.Data.LongLength)
        let common = Array.concat [ le16 20; le16 e.Flags; le16 e.Method; le32 0L; crc; size; size ]
        let header = Array.concat [ "PK\003\004"B; common; le16 local.Length; le16 0; local; e.Data ]
        body.Write header
        let tail = Array.concat [ le16 central.Length; Array.zeroCreate 12; le32 (defaultArg e.At at); central ]
        let record = Array.concat [ "PK\001\002"B; le16 20; common; tail ]
        directory.Write record

    let count = le16 entries.Length

    let ending =
        Array.concat [ "PK\005\006"B; le32 0L; count; count; le32 directory.Length; le32 body.Length; le16 0 ]

    Array.concat [ body.ToArray(); directory.ToArray(); ending ]

let torchEntries (data: byte[]) (storages: (string * byte[]) list) =
    [ entry "archive/data.pkl" data ]
    @ [ for key, bytes in storages -> entry $"archive/data/{key}" bytes ]
    @ [ entry "archive/version" "3\n"B ]

/// torch.save's zip format around an object's instructions.
let torchZip (object: byte[]) storages = zipOf (torchEntries (pickle [ object ]) storages)

let magic = [| 0x8Auy; 10uy; 0x6Cuy; 0xFCuy; 0x9Cuy; 0x46uy; 0xF9uy; 0x20uy; 0x6Auy; 0xA8uy; 0x50uy; 0x19uy |]
let system littleEndian = dictionary [ "protocol_version", Op.int 1001L; "little_endian", littleEndian ]

/// torch.save's old format around an object's instructions; a storage is its key, element count and bytes.
let torchLegacy (object: byte[]) (storages: (string * int64 * byte[]) list) =
    let keys = listOf [ for key, _, _ in storages -> Op.text key ]
    let pickles = [ magic; Op.int 1001L; system Op.yes; object; keys ]
    let blocks = [ for _, count, bytes in storages -> Array.append (le64 count) bytes ]
    Array.concat ([ for operations in pickles -> pickle [ operations ] ] @ blocks)

/// Runs a test with the bytes as a file that is gone afterwards.
let withFile (bytes: byte[]) (test: string -> 'a) =
    let path = Path.Combine(Path.GetTempPath(), $"hybrid-{Guid.NewGuid():N}.bin")
    File.WriteAllBytes(path, bytes)

    try
        test path
    finally
        File.Delete path

let read (bytes: byte[]) : Checkpoint = withFile bytes CheckpointFile.Read

/// The file is refused in one line that names it and contains `reason`.
let expectRefusal (reason: string) (bytes: byte[]) =
    withFile bytes (fun path ->
        try
            CheckpointFile.Read path |> ignore
            failtest $"read although: {reason}"
        with :? WorkException as e ->
            Expect.stringContains e.Message reason "the reason"
            Expect.stringStarts e.Message path "the file"
            Expect.isFalse (Seq.exists Char.IsControl e.Message) "one line")

/// A path in the data for tests; a test that needs it is skipped where it is absent.
let shared (relative: string) = Shared.path [ relative ]
