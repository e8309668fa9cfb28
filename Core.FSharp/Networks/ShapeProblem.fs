namespace Hybrid

/// What is wrong with a part of a network.
[<RequireQualifiedAccess>]
type ShapeProblem =
    /// The layer reads maps `[N, C, H, W]` and was handed vectors.
    | NeedsImage of got: Shape
    /// The layer reads vectors `[N, F]` and was handed maps.
    | NeedsFeatures of got: Shape
    /// The window does not fit on the map even once.
    | WindowTooLarge of kernel: Sides * padding: Padding * got: Shape
    /// PyTorch allows a pooling window a padding of half its size at most.
    | PoolPaddingTooLarge of kernel: int * padding: int
    | BranchesDiffer of Join * got: Shape list
    | NoBranches
    /// Groups take the same number of channels each.
    | NotInGroups of channels: int * groups: int
    | OutOfRange of setting: string * value: float * range: string
    | BelowMinimum of setting: string * value: int * minimum: int
    /// More than 2³¹ - 1 numbers in one example, or in one tensor.
    | TooLarge of elements: int64
    /// An input of more numbers than a network is asked to read.
    | InputTooLarge of elements: int64
    /// More numbers in all tensors together than a checkpoint holds.
    | NetworkTooLarge of elements: int64
    /// A segment of a path is neither empty nor holds a dot.
    | BadName of string
    /// Two layers would own the same key of the `state_dict`.
    | SharedKey of string

/// An error in a network, and where it is.
type ShapeError = {
    /// Path of the layer or fork; empty at the root.
    Path: string
    /// PyTorch's name of the layer, or `Concat` or `Sum`.
    Part: string
    Problem: ShapeProblem
} with

    override error.ToString() =
        let place = if error.Path = "" then error.Part else $"{error.Path} ({error.Part})"

        let problem =
            match error.Problem with
            | ShapeProblem.NeedsImage got -> $"got a vector of {got}, expected maps (channels × height × width)"
            | ShapeProblem.NeedsFeatures got -> $"got maps of {got}, expected a vector: put flatten before it"
            | ShapeProblem.WindowTooLarge(kernel, padding, got) ->
                let rows, columns =
                    match padding with
                    | Padding.Even sides -> 2 * sides.Height, 2 * sides.Width
                    | Padding.Uneven it -> it.Top + it.Bottom, it.Left + it.Right
                    | Padding.Same -> 0, 0

                let least = { Height = kernel.Height - rows; Width = kernel.Width - columns }
                $"got maps of {got}, expected at least {least} for a {kernel} window with padding {padding}"
            | ShapeProblem.PoolPaddingTooLarge(kernel, padding) ->
                $"got padding {padding}, expected at most {kernel / 2} for a {kernel}×{kernel} window"
            | ShapeProblem.BranchesDiffer(join, got) ->
                let shapes = got |> List.map string |> String.concat ", "

                match join with
                | Join.Concat -> $"got branches of {shapes}, expected maps of one height and width, or vectors"
                | Join.Sum -> $"got branches of {shapes}, expected all of one shape"
                | Join.Product -> $"got branches of {shapes}, expected all of one shape, or of its channels × 1 × 1"
            | ShapeProblem.NoBranches -> "got no branch, expected at least one"
            | ShapeProblem.NotInGroups(channels, groups) ->
                $"got {channels} channels, expected a multiple of its {groups} groups"
            | ShapeProblem.OutOfRange(setting, value, range) -> $"got {setting} {value}, expected {range}"
            | ShapeProblem.BelowMinimum(setting, value, minimum) ->
                $"got {setting} {value}, expected at least {minimum}"
            | ShapeProblem.TooLarge elements -> $"got {elements} numbers in one tensor, expected fewer than 2^31"
            | ShapeProblem.InputTooLarge elements ->
                $"got {elements} numbers in one example, expected at most {Limits.input}"
            | ShapeProblem.NetworkTooLarge elements ->
                $"got {elements} numbers in all tensors, expected at most {Limits.numbers}"
            | ShapeProblem.BadName segment -> $"got the name \"{segment}\", expected a name without dots"
            | ShapeProblem.SharedKey key ->
                $"got the key {key} a second time, expected one owner: name the layers apart"

        $"{place}: {problem}"

[<RequireQualifiedAccess>]
module ShapeError =

    /// Errors a person takes in at once; the rest is counted.
    let private shown = 20

    /// What is wrong, and below it the errors, one a line.
    let report (what: string) (errors: ShapeError list) : string =
        let more = errors.Length - shown

        String.concat "\n" [
            $"{what}:"
            for error in List.truncate shown errors do
                $"  {error}"
            if more > 0 then
                $"  and {more} more"
        ]
