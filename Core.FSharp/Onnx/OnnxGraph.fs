namespace Hybrid

open System

/// Type of the numbers in a tensor of ONNX.
[<RequireQualifiedAccess>]
type internal OnnxElement =
    | Float16
    | Float32
    | Float64
    | UInt8
    | Int64

    /// As files have it.
    member element.Number =
        match element with
        | Float32 -> 1L
        | UInt8 -> 2L
        | Int64 -> 7L
        | Float16 -> 10L
        | Float64 -> 11L

/// Numbers that stand in the file, in the order of their indices, little-endian.
type internal OnnxTensor = {
    Name: string
    Element: OnnxElement
    Dims: int64 list
    Bytes: ReadOnlyMemory<byte>
}

/// What an operator is made with.
[<RequireQualifiedAccess>]
type internal OnnxAttribute =
    | Whole of int64
    | Number of float
    | Wholes of int64 list
    | Text of string

/// One operator of ONNX and its one output, by which it is called.
type internal OnnxNode = {
    Op: string
    /// Names of what it reads.
    Inputs: string list
    Output: string
    Attributes: (string * OnnxAttribute) list
}

/// A side of an input or output: a number, or a name for what may be any number.
[<RequireQualifiedAccess>]
type internal OnnxSide =
    | Fixed of int
    | Free of string

/// An input or output of a whole graph.
type internal OnnxPort = { Name: string; Element: OnnxElement; Sides: OnnxSide list }

/// A network in the operators of ONNX, each behind those that it reads.
type internal OnnxGraph = {
    Name: string
    /// Version of the operators.
    Opset: int
    Input: OnnxPort
    Output: OnnxPort
    Nodes: OnnxNode list
    /// Weights and other constants. They are no inputs, so that nobody can or must give others.
    Tensors: OnnxTensor list
}

/// A graph while it is made: hands out names, each once. Names have ASCII letters, digits and `_./` alone.
/// `element` is what the network computes in, half or single precision.
[<Sealed>]
type internal OnnxDraft(opset: int, element: OnnxElement) =

    let nodes = ResizeArray<OnnxNode>()
    let tensors = ResizeArray<OnnxTensor>()
    let shared = Collections.Generic.Dictionary<string, string>()
    let taken = Collections.Generic.HashSet<string>([ OnnxDraft.Input; OnnxDraft.Output ])

    let plain (name: string) =
        name |> String.map (fun it -> if Char.IsAsciiLetterOrDigit it || "_./".Contains it then it else '_')

    let unique name =
        let name = plain name

        Seq.initInfinite (fun copy -> if copy = 0 then name else $"{name}_{copy}") |> Seq.find taken.Add

    let bytesOf (values: 'a array) =
        ReadOnlyMemory(Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray())

    /// The name of a graph's one input.
    static member Input = "input"

    /// The name of its one output.
    static member Output = "output"

    member _.Opset = opset

    member private _.Constant(name, element, dims, values: 'a array) =
        let name = unique name
        tensors.Add { Name = name; Element = element; Dims = dims; Bytes = bytesOf values }
        name

    /// Numbers as a constant; gives its name.
    member draft.Numbers(name, dims: int64 list, values: float32 array) =
        draft.Constant(name, OnnxElement.Float32, dims, values)

    /// Numbers that the network computes with, in its precision, as a constant; gives its name. Throws
    /// `OverflowException` where half precision does not reach so far.
    member draft.Operands(name, dims: int64 list, values: float32 array) =
        match element with
        | OnnxElement.Float16 ->
            let halves = values |> Array.map Half.op_Explicit

            for value, half in Array.zip values halves do
                if Half.IsInfinity half then
                    raise (
                        OverflowException
                            $"{name} has the number {value}, and half precision ends at {Half.MaxValue}: write the network in single precision"
                    )

            draft.Constant(name, element, dims, halves)
        | _ -> draft.Numbers(name, dims, values)

    /// Numbers in double precision as a constant; gives its name.
    member draft.WideNumbers(name, dims: int64 list, values: float array) =
        draft.Constant(name, OnnxElement.Float64, dims, values)

    /// Whole numbers as a constant, such as a shape or a padding; gives its name.
    member draft.Wholes(name, values: int64 list) =
        draft.Constant(name, OnnxElement.Int64, [ int64 values.Length ], Array.ofList values)

    /// A constant that all who ask for it under that name share.
    member private _.Shared(name, make) =
        match shared.TryGetValue name with
        | true, known -> known
        | _ ->
            let made: string = make ()
            shared[name] <- made
            made

    /// A single number under a name of its own.
    member draft.Number(name, value: float) = draft.Shared(name, fun () -> draft.Numbers(name, [], [| float32 value |]))

    /// A single number that the network computes with under a name of its own.
    member draft.Operand(name, value: float) =
        draft.Shared(name, fun () -> draft.Operands(name, [], [| float32 value |]))

    /// What the network has computed, in another type of numbers.
    member draft.Cast(name, to': OnnxElement, x) =
        draft.Node(name, "Cast", [ x ], [ "to", OnnxAttribute.Whole to'.Number ])

    /// From a number in single precision to the network's, where that is another one.
    member draft.Enter(name, x) = if element = OnnxElement.Float32 then x else draft.Cast(name, element, x)

    /// And back.
    member draft.Leave(name, x) =
        if element = OnnxElement.Float32 then
            x
        else
            draft.Cast(name, OnnxElement.Float32, x)

    /// A part that is computed in single precision whatever the network's: means and variances of many numbers, and scales
    /// of a few millionths.
    member draft.Single(name: string, part: string -> string, x) =
        draft.Enter($"{name}/narrow", part (draft.Leave($"{name}/wide", x)))

    /// A single number in double precision under a name of its own.
    member draft.WideNumber(name, value: float) = draft.Shared(name, fun () -> draft.WideNumbers(name, [], [| value |]))

    /// An operator behind all that are there already; gives the name of its output.
    member _.Node(name, op, inputs, attributes) =
        let name = unique name

        nodes.Add { Op = op; Inputs = inputs; Output = name; Attributes = attributes }

        name

    /// The graph that ends in `last`, an output of a node or the input itself.
    member draft.Graph(name, input, output: OnnxPort, last) : OnnxGraph =
        let last =
            if last = OnnxDraft.Input then
                draft.Node("identity", "Identity", [ last ], [])
            else
                last

        let renamed it = if it = last then OnnxDraft.Output else it

        {
            Name = plain name
            Opset = opset
            Input = input
            Output = output
            Nodes = [
                for node in nodes ->
                    {
                        node with
                            Inputs = List.map renamed node.Inputs
                            Output = renamed node.Output
                    }
            ]
            Tensors = List.ofSeq tensors
        }
