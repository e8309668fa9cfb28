namespace Hybrid

/// From pictures of any size to what a network reads, inside the graph: scaled so that the network's input is just covered,
/// the middle kept, then normalised. Every pixel counts for what the program's own reading of files has it count for. The
/// weights are worked out from the picture's size by plain operators, in double precision, since the resizing operator of
/// ONNX has its antialiasing from opset 18 only and no rounding to whole bytes between its two passes.
module internal OnnxPictures =

    let private whole (it: int) = OnnxAttribute.Whole(int64 it)

    /// How much of each pixel of a line of `length` goes into each of `kept` pixels from the middle of the line scaled to
    /// `full`: `[kept, length]`. Pixels count by the cubic filter (a = -1/2), widened by the factor of reduction.
    let private shares (draft: OnnxDraft) line (kept: int) length full =
        let node part op inputs attributes = draft.Node($"pictures/{line}/{part}", op, inputs, attributes)
        let number (value: float) = draft.WideNumber($"pictures/{value}", value)
        let toType (element: OnnxElement) part x = node part "Cast" [ x ] [ "to", OnnxAttribute.Whole element.Number ]
        let add part a b = node part "Add" [ a; b ] []
        let times part a b = node part "Mul" [ a; b ] []
        let minus part a b = node part "Sub" [ a; b ] []
        let by part a b = node part "Div" [ a; b ] []

        let length', full' = toType OnnxElement.Float64 "length" length, toType OnnxElement.Float64 "full" full
        let scale = by "scale" length' full'
        let widened = node "widened" "Max" [ scale; number 1.0 ] []
        // Halves go to the even neighbour.
        let margin =
            node "margin" "Round" [ times "spare" (minus "over" full' (number (float kept))) (number 0.5) ] []

        let centres =
            draft.WideNumbers($"pictures/{line}/kept", [ int64 kept; 1L ], Array.init kept (fun x -> float x + 0.5))

        let centres = times "centres" (add "places" centres margin) scale

        let count = node "count" "Squeeze" [ length' ] []
        let pixels = node "pixels" "Range" [ number 0.0; count; number 1.0 ] []
        let offsets = by "offsets" (add "middles" (minus "apart" pixels centres) (number 0.5)) widened
        let t = node "distances" "Abs" [ offsets ] []

        let near =
            let line = minus "near/line" (times "near/slope" t (number 1.5)) (number 2.5)
            add "near" (times "near/cube" (times "near/square" line t) t) (number 1.0)

        let far =
            let line = add "far/line" (times "far/slope" t (number -0.5)) (number 2.5)
            let square = minus "far/square" (times "far/times" line t) (number 4.0)
            add "far" (times "far/cube" square t) (number 2.0)

        let within part (limit: float) yes no =
            node part "Where" [ node $"{part}/is" "Less" [ t; number limit ] []; yes; no ] []

        let weights = within "weights" 1.0 near (within "outer" 2.0 far (number 0.0))
        let axis = draft.Wholes($"pictures/{line}/axis", [ 1L ])
        let sums = node "sums" "ReduceSum" [ weights; axis ] [ "keepdims", whole 1 ]
        toType OnnxElement.Float32 "shares" (by "even" weights sums)

    /// To the nearest whole number that a byte holds.
    let private toBytes (draft: OnnxDraft) part x =
        let node step op inputs = draft.Node($"pictures/{part}/{step}", op, inputs, [])
        let raised = node "raised" "Add" [ x; draft.Number("pictures/half", 0.5) ]

        let bounded =
            node "bounded" "Clip" [ raised; draft.Number("pictures/black", 0.0); draft.Number("pictures/white", 255.0) ]

        node "bytes" "Floor" [ bounded ]

    /// Adds it to the draft, whose input is bytes `[N, H, W, 3]`; gives the name of `[N, 3, height, width]`.
    let write (draft: OnnxDraft) (normalisation: Normalisation) (height: int) (width: int) : string =
        let node part op inputs attributes = draft.Node($"pictures/{part}", op, inputs, attributes)
        let length part axis = node part "Shape" [ OnnxDraft.Input ] [ "start", whole axis; "end", whole (axis + 1) ]
        let h, w = length "height" 1, length "width" 2
        let th = draft.Wholes("pictures/height_of_input", [ int64 height ])
        let tw = draft.Wholes("pictures/width_of_input", [ int64 width ])
        let hTimes, wTimes = node "height/times" "Mul" [ h; tw ] [], node "width/times" "Mul" [ w; th ] []
        let widthDecides = node "width/decides" "LessOrEqual" [ wTimes; hTimes ] []

        let fullHeight =
            node "height/full" "Where" [ widthDecides; node "height/scaled" "Div" [ hTimes; w ] []; th ] []

        let fullWidth =
            node "width/full" "Where" [ widthDecides; tw; node "width/scaled" "Div" [ wTimes; h ] [] ] []

        let columns = shares draft "columns" width w fullWidth
        let columns = node "columns/turned" "Transpose" [ columns ] [ "perm", OnnxAttribute.Wholes [ 1L; 0L ] ]
        let rows = shares draft "rows" height h fullHeight

        let planes =
            node "planes" "Transpose" [ OnnxDraft.Input ] [ "perm", OnnxAttribute.Wholes [ 0L; 3L; 1L; 2L ] ]

        let numbers = node "numbers" "Cast" [ planes ] [ "to", OnnxAttribute.Whole OnnxElement.Float32.Number ]
        let narrow = node "narrow" "MatMul" [ numbers; columns ] [] |> toBytes draft "narrow"
        let small = node "small" "MatMul" [ rows; narrow ] [] |> toBytes draft "small"

        let channels name (values: float array) =
            draft.Numbers($"pictures/{name}", [ 1L; int64 values.Length; 1L; 1L ], Array.map float32 values)

        let shares = node "shares" "Div" [ small; draft.Number("pictures/white", 255.0) ] []
        let centred = node "centred" "Sub" [ shares; channels "mean" normalisation.Mean ] []
        node "normalised" "Div" [ centred; channels "std" normalisation.Std ] []
