/// An event file read back by hand: every length, every checksum and every byte accounted for.
module Hybrid.Tests.Callbacks.EventRecords

open System
open System.IO
open Expecto
open Google.Protobuf
open Tensorboard

type Kind = Summary.Types.Value.ValueOneofCase

/// CRC-32C bit by bit, as its polynomial defines it.
let crc32c (bytes: byte array) =
    let shift crc = if crc &&& 1u = 1u then (crc >>> 1) ^^^ 0x82F63B78u else crc >>> 1
    let add crc (b: byte) = Seq.fold (fun crc _ -> shift crc) (crc ^^^ uint32 b) [ 1..8 ]
    ~~~(Array.fold add UInt32.MaxValue bytes)

let private masked bytes =
    let crc = crc32c bytes
    ((crc >>> 15) ||| (crc <<< 17)) + 0xA282EAD8u

/// The records of a file that has nothing else in it.
let records (file: byte array) : byte array list =
    let rec next offset found =
        if offset = file.Length then
            List.rev found
        else
            let length = BitConverter.ToUInt64(file, offset)
            Expect.isLessThanOrEqual length (uint64 (file.Length - offset - 16)) "a record lies within the file"
            let body = file[offset + 12 .. offset + 11 + int length]
            let checksum at = BitConverter.ToUInt32(file, at)
            Expect.equal (checksum (offset + 8)) (masked file[offset .. offset + 7]) "the length's checksum"
            Expect.equal (checksum (offset + 12 + body.Length)) (masked body) "the record's checksum"
            next (offset + 16 + body.Length) (body :: found)

    next 0 []

let read (path: string) = File.ReadAllBytes path |> records |> List.map (fun record -> Event.Parser.ParseFrom record)

/// The one event file of a folder, by its name, and what is in it.
let events folder =
    match Directory.GetFiles(folder, "events.out.tfevents.*") with
    | [| file |] -> Path.GetFileName file |> string, read file
    | files -> failtest $"one event file expected, got %A{files}"

/// Tag, step and value of every value that has the wanted kind.
let values kind (events: Event list) = [
    for event in events do
        if event.WhatCase = Event.WhatOneofCase.Summary then
            for value in event.Summary.Value do
                if value.ValueCase = kind then
                    value.Tag, event.Step, value
]

/// Tag, step and value of every point of every curve.
let points events = [
    for tag, step, value in values Kind.SimpleValue events do
        tag, step, float value.SimpleValue
]

/// Step and value of every point of a curve.
let curve tag events =
    points events
    |> List.choose (fun (name, step, value) -> if name = tag then Some(step, value) else None)

let steps tag events = curve tag events |> List.map fst

/// What one of the summaries of the hyperparameters tab holds.
let hparams name (events: Event list) =
    match values Kind.Tensor events |> List.filter (fun (tag, _, _) -> tag = $"_hparams_/{name}") with
    | [ _, 0L, value ] ->
        Expect.equal value.Metadata.PluginData.PluginName "hparams" "plugin"
        Expect.equal value.Metadata.DataClass DataClass.Tensor "class"
        value.Metadata.PluginData.Content
    | found -> failtest $"one {name} expected, got %A{found}"

/// The status in `session_end_info`: field 4 of the tab's message, and field 1 in that.
let status events =
    let content = hparams "session_end_info" events
    let outer = new CodedInputStream(content.ToByteArray())
    Expect.equal (outer.ReadTag()) (WireFormat.MakeTag(4, WireFormat.WireType.LengthDelimited)) "session_end_info"
    let inner = outer.ReadBytes().CreateCodedInput()
    Expect.equal (inner.ReadTag()) (WireFormat.MakeTag(1, WireFormat.WireType.Varint)) "status"
    inner.ReadInt32()
