namespace Hybrid.Command

open System
open Hybrid

/// From the command line to a request.
[<RequireQualifiedAccess>]
module internal Parse =

    /// A path below the user's home, as a shell would have it: it leaves `--out=~/runs` and `folder:~/photos` alone.
    let private atHome home (word: string) =
        let kind = word.Substring(0, word.IndexOf ':' + 1)
        let path = word.Substring kind.Length
        let isBelow = path = "~" || path.StartsWith("~/", StringComparison.Ordinal)

        if home <> "" && isBelow && List.contains kind [ ""; "folder:"; "cifar10:"; "cifar100:" ] then
            kind + home + path.Substring 1
        else
            word

    let private isOption (word: string) = word.StartsWith("--", StringComparison.Ordinal)

    /// `--` alone: no word behind it is an option, as in other programs.
    let private endOfOptions = "--"

    /// The words before the end of the options, and those behind it.
    let private divided words =
        match Array.tryFindIndex ((=) endOfOptions) words with
        | Some at -> words[.. at - 1], words[at + 1 ..]
        | None -> words, [||]

    /// `--option=value`, if a word is that.
    let private assigned (word: string) =
        match word.IndexOf '=' with
        | at when at > 2 && isOption word && Argument.isKnown (word.Substring(2, at - 2)) ->
            Some(word.Substring(2, at - 2), word.Substring(at + 1))
        | _ -> None

    let private unknown (rows: Row list) (word: string) =
        let option = (word.Split '=')[0]

        match Suggest.nearest [ for row in rows -> $"--{row.Name}" ] option with
        | Some near -> $"unknown option {option}; did you mean {near}?"
        | None -> $"unknown option {option}"

    /// What words give to a verb, and what is wrong with them.
    let private read home (verb: Verb) (words: string array) : Given * string list =
        let words, behind = divided words

        let apart word =
            match assigned word with
            | Some(name, value) when not (Argument.isFlag name) -> [| $"--{name}"; atHome home value |]
            | _ -> [| atHome home word |]

        let options, others = Argument.read (Array.collect apart words)
        // Of flags, to which Argu gives no value.
        let given = options @ [ for name, value in List.choose assigned others -> name, Some value ]
        let others = others |> List.filter (assigned >> Option.isNone)
        let rows = Verb.rows verb
        let row name = rows |> List.tryFind (fun row -> row.Name = name)

        let unknowns =
            (others |> List.filter isOption)
            @ [
                for name, _ in List.distinctBy fst given do
                    if (row name).IsNone then
                        $"--{name}"
            ]

        let strays = (others |> List.filter (isOption >> not)) @ [ for word in behind -> atHome home word ]

        let bare =
            given
            |> List.choose (fun (name, value) -> if value.IsNone then row name else None)
            |> List.filter (fun row -> not (row.Value.StartsWith '['))

        let mistakes = [
            for option in unknowns do
                unknown rows option

            // Behind an unknown option they may be its value.
            if unknowns.IsEmpty && verb.Words = "" then
                for word in strays do
                    $"'{word}' belongs to no option"

            for name, times in List.countBy fst given do
                if times > 1 && row name |> Option.exists (fun row -> not row.Often) then
                    $"--{name} is given more than once"

            for row in bare do
                $"--{row.Name} has no value: --{row.Name} {row.Value} was expected"
        ]

        let isBare name = bare |> List.exists (fun row -> row.Name = name)

        {
            Settings = [
                for name, value in given do
                    if value.IsSome || not (isBare name) then
                        { Name = name; Text = Option.defaultValue "" value }
            ]
            Words = strays
            Complete = unknowns.IsEmpty && bare.IsEmpty
        },
        mistakes

    /// Options of a file before those of the command line: what is given in both is the command line's.
    let private withFile (surroundings: Surroundings) (verb: Verb) (given: Given) : Given * string list =
        match GivenOption.tryFind "config" given.Settings with
        | None -> given, []
        | Some file ->
            let rows = Verb.rows verb
            let often = rows |> List.filter _.Often |> List.map _.Name

            let settings = [
                for { GivenOption.Name = name; Text = text } in surroundings.ReadSettings.Invoke file ->
                    { Name = name.Replace('_', '-'); Text = atHome surroundings.Home text }
            ]

            // Of an option that is given often each key is one of its own.
            let subject (setting: GivenOption) =
                let key =
                    match setting.Text.IndexOf '=' with
                    | at when at > 0 && List.contains setting.Name often -> setting.Text.Substring(0, at).Trim()
                    | _ -> ""

                setting.Name, key

            let commandLine = given.Settings |> List.map subject |> set
            let isOwn setting = not (Set.contains (subject setting) commandLine)

            { given with Settings = List.filter isOwn settings @ given.Settings },
            [
                for name, times in settings |> List.countBy _.Name do
                    if times > 1 && not (List.contains name often) then
                        $"'{file}': --{name} is given more than once"

                    match rows |> List.tryFind (fun row -> row.Name = name) with
                    | Some { Owner = Owner.CommandLine } ->
                        $"'{file}': --{name} is never taken from a file: it belongs on the command line"
                    | Some _ -> ()
                    | None -> $"'{file}': " + unknown rows $"--{name}"
            ]

    /// Flags that are given as false are not given, here or in a file behind them.
    let private withoutFalse (given: Given) = {
        given with
            Settings = given.Settings |> List.filter (fun it -> not (Argument.isFlag it.Name && it.Text = "false"))
    }

    /// More mistakes than these are of another kind than a slip.
    let private mostMistakes = 20

    let private wrong help mistakes =
        let mistakes = List.distinct mistakes
        let more = mistakes.Length - mostMistakes

        String.concat "\n" [
            yield! List.truncate mostMistakes mistakes

            if more > 0 then
                $"and {more} more"

            $"See '{help}'."
        ]
        |> Request.Wrong

    let private isHelp word = word = "--help" || word = "-h"

    /// Reads a command line, without the program's name. What is wrong is a request too; nothing is thrown but what
    /// `ReadSettings` throws.
    let commandLine (surroundings: Surroundings) (arguments: string array) : Request =
        match List.ofArray arguments with
        | []
        | ("--help" | "-h") :: _ -> Request.Show(Help.ofAll Verbs.all)
        | [ "--version" ] ->
            let version = typeof<Request>.Assembly.GetName().Version
            Request.Show $"hybrid {version.Major}.{version.Minor}.{version.Build}"
        | name :: words ->
            match Verbs.all |> List.tryFind (fun verb -> verb.Name = name) with
            | None ->
                let names = [ for verb in Verbs.all -> verb.Name ] @ [ "--version"; "--help" ]
                wrong "hybrid --help" [ Suggest.unknown "verb" names name ]
            | Some verb when words |> List.takeWhile ((<>) endOfOptions) |> List.exists isHelp ->
                Request.Show(Help.ofVerb verb)
            | Some verb ->
                let given, slips = read surroundings.Home verb (Array.ofList words)
                let given, others = if slips.IsEmpty then withFile surroundings verb given else given, []

                let slips = slips @ others

                let place =
                    match GivenOption.tryFind "config" given.Settings with
                    | Some file -> $"hybrid {verb.Name} --help', and what stands in '{file}"
                    | None -> $"hybrid {verb.Name} --help"

                match slips, Verb.read (withoutFalse given) verb with
                | [], Ok request -> request
                | _, Ok _ -> wrong place slips
                | _, Error mistakes -> wrong place (slips @ mistakes)

    /// More words than any command line needs, and more characters than any path and name in it.
    let private mostWords, private mostCharacters = 1000, 100_000

    /// The run that a stored command line describes, to be computed on `machine`. It came from a file: only options that
    /// belong to the run may stand there, so that nothing in it loads or starts anything; its precision is one of them.
    /// `holdsValues`: the run has its network and its recipe beside the command line, where they are read; what the command
    /// line says of them is handed on and asked nothing.
    let stored (arguments: string array) (machine: MachineRequest) holdsValues : Result<TrainRequest, string> =
        let train = TrainVerb.verb

        if arguments.Length > mostWords || Array.sumBy String.length arguments > mostCharacters then
            Error $"a stored command line has at most {mostWords} words of {mostCharacters} characters in all"
        elif Array.tryHead arguments <> Some train.Name then
            Error "it is not that of a training"
        elif Array.exists isHelp arguments then
            Error "it asks for help"
        else
            let given, slips = read "" train (Array.tail arguments)

            let given = withoutFalse given

            let asked =
                if holdsValues then
                    { given with Settings = TrainVerb.withoutValues given.Settings }
                else
                    given

            match slips @ Option.toList (Verb.notStored train given.Settings), lazy (Verb.read asked train) with
            | mistake :: _, _
            | [], Lazy(Error(mistake :: _)) -> Error mistake
            | [], Lazy(Ok(Request.Train({ FindBatchSize = false } as request))) ->
                let numbers = request.Machine

                Ok {
                    request with
                        Settings = Verb.ofRun train.Groups given.Settings
                        Machine = { machine with Precision = numbers.Precision; Tf32 = numbers.Tf32 }
                }
            | _ -> Error "--batch-size has not been found"

    /// A source of data as `--data` names it.
    let source (text: string) : Result<DataSource, string> = Value.source "--data" text
