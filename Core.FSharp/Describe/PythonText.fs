namespace Hybrid

open System
open System.Globalization
open System.Text

/// How a name can be reached as a part of a PyTorch module.
[<RequireQualifiedAccess>]
type internal PythonName =
    /// `self.name`.
    | Attribute
    /// No identifier, or one that Python would change: `getattr(self, "3x3")`.
    | Text
    /// PyTorch's modules have something else under it: only in the dictionary of their parts.
    | Taken

/// Names, numbers and texts in Python's spelling. What they hold stays a value, whatever it is.
[<RequireQualifiedAccess>]
module internal PythonText =

    let private keywords =
        set [
            "False"
            "None"
            "True"
            "and"
            "as"
            "assert"
            "async"
            "await"
            "break"
            "class"
            "continue"
            "def"
            "del"
            "elif"
            "else"
            "except"
            "finally"
            "for"
            "from"
            "global"
            "if"
            "import"
            "in"
            "is"
            "lambda"
            "nonlocal"
            "not"
            "or"
            "pass"
            "raise"
            "return"
            "try"
            "while"
            "with"
            "yield"
        ]

    /// What `nn.Module` and `nn.Sequential` have of their own, PyTorch 1.13 to 2.10. Names that begin with an underscore
    /// are none for anybody else either.
    let private taken =
        "T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda double \
         dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half \
         insert ipu hpu load_state_dict modules mtia named_buffers named_children named_modules named_parameters \
         parameters pop register_backward_hook register_buffer register_forward_hook register_forward_pre_hook \
         register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook \
         register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook \
         register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty \
         train training type xpu zero_grad"
            .Split([| ' ' |], StringSplitOptions.RemoveEmptyEntries)
        |> set

    let isKeyword (name: string) = keywords.Contains name

    /// Python reads identifiers in a normal form of Unicode, so that others than ASCII's might turn into other names.
    let nameOf (name: string) =
        let word = name |> Seq.forall (fun it -> Char.IsAsciiLetterOrDigit it || it = '_')

        match name with
        | _ when taken.Contains name || name.StartsWith '_' -> PythonName.Taken
        | _ when name <> "" && word && not (Char.IsAsciiDigit name[0]) && not (isKeyword name) -> PythonName.Attribute
        | _ -> PythonName.Text

    /// Shown as they are: what has a form of its own and turns nothing around.
    let private isPlain (rune: Rune) =
        match Rune.GetUnicodeCategory rune with
        | UnicodeCategory.Control
        | UnicodeCategory.Format
        | UnicodeCategory.Surrogate
        | UnicodeCategory.PrivateUse
        | UnicodeCategory.OtherNotAssigned
        | UnicodeCategory.LineSeparator
        | UnicodeCategory.ParagraphSeparator -> false
        | UnicodeCategory.SpaceSeparator -> rune.Value = int ' '
        | _ -> true

    /// A literal on one line that stands for exactly this text.
    let quoted (text: string) =
        let literal = StringBuilder().Append '"'
        let mutable rest = text.AsSpan()

        while not rest.IsEmpty do
            let mutable rune = Rune()
            let mutable length = 0

            match Rune.DecodeFromUtf16(rest, &rune, &length) with
            | Buffers.OperationStatus.Done when rune.Value = int '"' || rune.Value = int '\\' ->
                literal.Append('\\').Append rune |> ignore
            | Buffers.OperationStatus.Done when isPlain rune -> literal.Append rune |> ignore
            | Buffers.OperationStatus.Done when rune.Value > 0xFFFF ->
                literal.Append("\\U").Append(rune.Value.ToString("x8", CultureInfo.InvariantCulture)) |> ignore
            | Buffers.OperationStatus.Done ->
                literal.Append("\\u").Append(rune.Value.ToString("x4", CultureInfo.InvariantCulture)) |> ignore
            // Half of a pair.
            | _ -> literal.Append("\\u").Append((int rest[0]).ToString("x4", CultureInfo.InvariantCulture)) |> ignore

            rest <- rest.Slice(max 1 length)

        literal.Append('"').ToString()

    let whole (value: int) = value.ToString CultureInfo.InvariantCulture

    /// With a point or an exponent, so that it is no whole number.
    let number (value: float) =
        if Double.IsFinite value then
            let digits = value.ToString("R", CultureInfo.InvariantCulture).ToLowerInvariant()
            if digits.Contains '.' || digits.Contains 'e' then digits else digits + ".0"
        else
            $"float({quoted (value.ToString CultureInfo.InvariantCulture)})"

    let sides (sides: Sides) =
        match sides with
        | Sides.Square side -> whole side
        | sides -> $"({whole sides.Height}, {whole sides.Width})"

    /// A tuple of whole numbers.
    let tuple (values: int list) =
        match values with
        | [ only ] -> $"({whole only},)"
        | values -> values |> List.map whole |> String.concat ", " |> sprintf "(%s)"
