namespace Hybrid.Command

open System
open Argu
open Hybrid

/// From the command line to a request.
[<RequireQualifiedAccess>]
module Parse =

    let private answer verb make (result: Result<'a, string>) =
        match result with
        | Ok request -> make request
        | Error message -> Request.Wrong $"{message}\nSee 'hybrid {verb} --help'."

    let private parser =
        lazy
            ArgumentParser.Create<Verb>(
                programName = "hybrid",
                helpTextMessage = "Trains, evaluates and exports convolutional image classifiers.",
                usageStringCharacterWidth = 100,
                checkStructure = false
            )

    /// Names of the verbs, or of a verb's options.
    let private names (verb: string option) : string list =
        let parser = parser.Value

        let cases =
            match verb with
            | None -> parser.GetArgumentCases()
            | Some verb ->
                parser.GetSubCommandParsers()
                |> List.filter (fun sub ->
                    sub.ParentInfo |> Option.exists (fun info -> List.contains verb info.CommandLineNames.Value))
                |> List.collect (fun sub -> sub.GetArgumentCases())

        cases |> List.collect (fun case -> case.CommandLineNames.Value)

    /// The first line of Argu's message, which pages of usage follow, with the word that was probably meant.
    let private explain (arguments: string array) (message: string) =
        let first = message.Split '\n' |> Array.head
        let problem = first.Replace("ERROR: ", "").TrimEnd([| ' '; '.'; '\r' |])
        let verb = Array.tryHead arguments |> Option.filter (fun word -> List.contains word (names None))

        let hint =
            match problem.Split '\'' with
            | [| before; given; _ |] when before.Contains "unrecognized" ->
                Suggest.nearest (names verb) given |> Option.map (fun word -> $"; did you mean {word}?")
            | _ -> None

        let help =
            match verb with
            | Some verb -> $"hybrid {verb} --help"
            | None -> "hybrid --help"

        $"{problem}{Option.defaultValue String.Empty hint}\nSee '{help}'."

    let private request (verb: Verb) =
        match verb with
        | Verb.Train args ->
            match args.TryGetResult TrainArgument.Resume with
            | Some run -> TrainOptions.resume args run |> answer "train" Request.Resume
            | None -> TrainOptions.train args |> answer "train" Request.Train
        | Verb.Test args -> CheckpointOptions.test args |> answer "test" Request.Test
        | Verb.Predict args -> CheckpointOptions.predict args |> answer "predict" Request.Predict
        | Verb.Summary args -> CheckpointOptions.summary args |> answer "summary" Request.Summary
        | Verb.Export args -> CheckpointOptions.export args |> answer "export" Request.Export
        | Verb.Compare args -> TrainOptions.compare args |> answer "compare" Request.Compare
        | Verb.Bench args -> MachineOptions.bench args |> answer "bench" Request.Bench
        | Verb.Doctor args -> MachineOptions.doctor args |> answer "doctor" Request.Doctor
        | Verb.Version ->
            let version = typeof<Request>.Assembly.GetName().Version
            Request.Show $"hybrid {version.Major}.{version.Minor}.{version.Build}"

    /// A path below the user's home, as a shell would have it: it leaves `--out=~/runs` and `folder:~/photos` alone.
    let private atHome home (word: string) =
        let from (path: string) = path = "~" || path.StartsWith("~/", StringComparison.Ordinal)
        let kind = word.Substring(0, word.IndexOf ':' + 1)
        let path = word.Substring kind.Length

        if home <> "" && from path && List.contains kind [ ""; "folder:"; "cifar10:"; "cifar100:" ] then
            kind + home + path.Substring 1
        else
            word

    /// The words that Argu knows, for the ways of writing that it does not: `-h`, `--option=value`, `~`.
    let private words home (arguments: string array) = [|
        let verb = Array.tryHead arguments

        let options = verb |> Option.filter (fun verb -> List.contains verb (names None)) |> names |> Set.ofList

        for word in arguments do
            match word.IndexOf '=' with
            | _ when word = "-h" -> "--help"
            | at when at > 0 && options.Contains(word.Substring(0, at)) ->
                word.Substring(0, at)
                atHome home (word.Substring(at + 1))
            | _ -> atHome home word
    |]

    /// Reads a command line, without the program's name. Never fails: what is wrong is a request too. `home` is the
    /// folder that `~` stands for, empty where there is none.
    let commandLine (home: string) (arguments: string array) : Request =
        try
            let arguments = words home arguments

            if arguments.Length = 0 then
                Request.Show(parser.Value.PrintUsage())
            else
                let results = parser.Value.ParseCommandLine(arguments, raiseOnUsage = true)

                match results.GetAllResults() with
                | [ verb ] -> request verb
                | _ -> Request.Wrong "expected one verb\nSee 'hybrid --help'."
        with :? ArguParseException as problem ->
            if problem.ErrorCode = ErrorCode.HelpText then
                Request.Show problem.Message
            else
                Request.Wrong(explain arguments problem.Message)

    /// The run that a stored command line describes, to be computed on `machine`: of the stored one only what belongs to
    /// the run is taken, its precision among it.
    let stored (arguments: string array) (machine: MachineRequest) : Result<TrainRequest, string> =
        check {
            do! StoredArguments.bound arguments

            let! args =
                try
                    match parser.Value.ParseCommandLine(arguments, raiseOnUsage = true).GetAllResults() with
                    | [ Verb.Train args ] -> Ok args
                    | _ -> Error "it is not that of a training"
                with :? ArguParseException as problem ->
                    Error(
                        if problem.ErrorCode = ErrorCode.HelpText then
                            "it asks for help"
                        else
                            explain arguments problem.Message
                    )

            do! StoredArguments.check args
            let! request = TrainOptions.train args

            do! if request.FindBatchSize then Error "--batch-size has not been found" else Ok()

            let machine = {
                machine with
                    Precision = request.Machine.Precision
                    Tf32 = request.Machine.Tf32
            }

            return { request with Machine = machine }
        }

    /// A source of data as `--data` names it.
    let source (text: string) : Result<DataSource, string> = Value.source text
