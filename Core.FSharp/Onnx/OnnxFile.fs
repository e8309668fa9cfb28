namespace Hybrid

open System
open System.IO
open Google.Protobuf

/// A field's value in a message of protocol buffers.
[<RequireQualifiedAccess>]
type private Wire =
    | Whole of int64
    | Number of float32
    | Text of string
    | Bytes of ReadOnlyMemory<byte>
    | Message of (int * Wire) list

/// Messages as bytes. Lengths come first, so that nothing is held twice.
module private Wire =

    let private textLength (text: string) = int64 (Text.Encoding.UTF8.GetByteCount text)

    let rec private contentLength value : int64 =
        match value with
        | Wire.Whole number -> int64 (CodedOutputStream.ComputeInt64Size number)
        | Wire.Number _ -> 4L
        | Wire.Text text -> textLength text
        | Wire.Bytes bytes -> int64 bytes.Length
        | Wire.Message fields -> length fields

    /// Bytes of a message.
    and length fields : int64 =
        fields
        |> List.sumBy (fun (field, value) ->
            let content = contentLength value
            let tag = int64 (CodedOutputStream.ComputeTagSize field)

            match value with
            | Wire.Whole _
            | Wire.Number _ -> tag + content
            | Wire.Text _
            | Wire.Bytes _
            | Wire.Message _ -> tag + int64 (CodedOutputStream.ComputeInt64Size content) + content)

    let rec write (target: CodedOutputStream) fields =
        for field, value in fields do
            match value with
            | Wire.Whole number ->
                target.WriteTag(field, WireFormat.WireType.Varint)
                target.WriteInt64 number
            | Wire.Number number ->
                target.WriteTag(field, WireFormat.WireType.Fixed32)
                target.WriteFloat number
            | Wire.Text text ->
                target.WriteTag(field, WireFormat.WireType.LengthDelimited)
                target.WriteString text
            | Wire.Bytes bytes ->
                target.WriteTag(field, WireFormat.WireType.LengthDelimited)
                target.WriteBytes(UnsafeByteOperations.UnsafeWrap bytes)
            | Wire.Message inner ->
                target.WriteTag(field, WireFormat.WireType.LengthDelimited)
                target.WriteLength(int (length inner))
                write target inner

/// A graph as a file: the numbers of fields and types are those of the public `onnx.proto3`.
[<RequireQualifiedAccess>]
module internal OnnxFile =

    /// No message of protocol buffers is longer.
    let longest = int64 Int32.MaxValue

    /// The oldest version of the file format that may hold operators of an opset.
    let private irVersion opset =
        if opset <= 18 then 8L
        elif opset <= 20 then 9L
        else 10L

    let private elementType (element: OnnxElement) = Wire.Whole element.Number

    let private tensor (it: OnnxTensor) =
        Wire.Message [
            for side in it.Dims do
                1, Wire.Whole side
            2, elementType it.Element
            8, Wire.Text it.Name
            9, Wire.Bytes it.Bytes
        ]

    let private attribute (name: string, value) =
        let ofType (number: int64) fields =
            Wire.Message [ yield 1, Wire.Text name; yield! fields; yield 20, Wire.Whole number ]

        match value with
        | OnnxAttribute.Number number -> ofType 1L [ 2, Wire.Number(float32 number) ]
        | OnnxAttribute.Whole number -> ofType 2L [ 3, Wire.Whole number ]
        | OnnxAttribute.Text text -> ofType 3L [ 4, Wire.Text text ]
        | OnnxAttribute.Wholes numbers -> ofType 7L [ for number in numbers -> 8, Wire.Whole number ]

    let private node (it: OnnxNode) =
        Wire.Message [
            for input in it.Inputs do
                1, Wire.Text input
            2, Wire.Text it.Output
            3, Wire.Text it.Output
            4, Wire.Text it.Op
            for named in it.Attributes do
                5, attribute named
        ]

    let private port (it: OnnxPort) =
        let side =
            function
            | OnnxSide.Fixed length -> 1, Wire.Whole(int64 length)
            | OnnxSide.Free name -> 2, Wire.Text name

        let shape = Wire.Message [ for it in it.Sides -> 1, Wire.Message [ side it ] ]
        let tensorType = Wire.Message [ 1, elementType it.Element; 2, shape ]
        Wire.Message [ 1, Wire.Text it.Name; 2, Wire.Message [ 1, tensorType ] ]

    let private graph (it: OnnxGraph) =
        Wire.Message [
            for one in it.Nodes do
                1, node one
            2, Wire.Text it.Name
            for one in it.Tensors do
                5, tensor one
            11, port it.Input
            12, port it.Output
        ]

    /// Writes a graph and what there is to say of it, by keys. Throws `InvalidOperationException`, before anything is
    /// written, where that is too long for the format.
    let write (version: string) (facts: (string * string) list) (it: OnnxGraph) (target: Stream) =
        let model = [
            1, Wire.Whole(irVersion it.Opset)
            2, Wire.Text "Hybrid"
            3, Wire.Text version
            7, graph it
            8, Wire.Message [ 1, Wire.Text ""; 2, Wire.Whole(int64 it.Opset) ]
            for key, value in facts do
                14, Wire.Message [ 1, Wire.Text key; 2, Wire.Text value ]
        ]

        let length = Wire.length model

        if length > longest then
            invalidOp $"the network takes {length} bytes, and an ONNX file holds {longest} at most"

        use coded = new CodedOutputStream(target, leaveOpen = true)
        Wire.write coded model
