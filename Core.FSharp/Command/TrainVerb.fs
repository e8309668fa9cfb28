namespace Hybrid.Command

open Hybrid

/// What `train` is asked for.
module internal TrainVerb =

    let private groups = [
        "Data", DataOptions.ofTraining
        "Network", [ ModelOptions.model; ModelOptions.hparam; ModelOptions.init; ModelOptions.weightsOfInit ]
        "Recipe", RecipeOptions.rows
        "Debugging", RunOptions.debugging
        "Watching", RunOptions.watching
        "Saving",
        RunOptions.saving
        @ [ MachineOptions.out "folder that the run's folder version_N is made in (default: runs/MODEL)" ]
        "Going on", RunOptions.resuming
        "Machine and output", MachineOptions.all
    ]

    /// The options that neither choose the network nor change its recipe.
    let withoutValues (settings: GivenOption list) =
        let values = [ ModelOptions.model; ModelOptions.hparam ] @ RecipeOptions.rows |> List.map _.Name |> set

        settings |> List.filter (fun it -> not (values.Contains it.Name))

    /// Beside the machine and the form of the output: a run's place, and that of its data. All else is as it was started.
    let private withResume = [ "resume"; "accept-changed-data"; "data" ]

    /// A length is refused once the run that is meant is known.
    let private length = [ "epochs"; "max-steps" ]

    let private resume (others: GivenOption list) (given: Given) (draft: Draft) =
        let find name = GivenOption.tryFind name given.Settings |> Option.defaultValue ""

        if others |> List.forall (fun it -> List.contains it.Name length) then
            Ok(
                Request.Resume {
                    Run = if find "resume" = "" then draft.Out else find "resume"
                    Data = find "data"
                    AcceptChangedData = draft.AcceptChangedData
                    Longer = not others.IsEmpty
                    Machine = draft.Machine
                    Json = draft.Json
                }
            )
        else
            Error [
                "--resume goes on with a run as it was started: of the other options only --data (where its data lies now), "
                + "--accept-changed-data, --out, --device, --threads, --trim-memory, --libtorch and --json go with it"
            ]

    /// The request of a training, whatever it is of.
    let request (settings: GivenOption list) (draft: Draft) : TrainRequest = {
        Data = RunOptions.tried draft
        Model = draft.Network
        Machine = draft.Machine
        Monitor = draft.Monitor
        Init = draft.Init
        Save = draft.Save
        LearningRateEachStep = draft.LearningRateEachStep
        FindBatchSize = draft.FindBatchSize
        FindRate = draft.FindRate
        FastDevRun = draft.FastDevRun
        Out = draft.Out
        Json = draft.Json
        Settings = settings
    }

    let private fresh settings (given: Given) (draft: Draft) =
        let mistakes = [
            match ModelOptions.find [] draft.Network with
            | Ok _ -> yield! RecipeOptions.check draft.Training
            | Error error -> error

            if draft.AcceptChangedData then
                "--accept-changed-data is of --resume: a new run has no data that could have changed"

            if draft.FindRate && GivenOption.has "lr" settings then
                "--find-lr looks for the learning rate: leave --lr out"

            if (draft.FastDevRun || draft.OverfitBatches > 0) && (draft.FindRate || draft.FindBatchSize) then
                "--fast-dev-run and --overfit-batches are over before anything is found: name --batch-size and --lr"
        ]

        if mistakes.IsEmpty then
            Ok(Request.Train(request settings draft))
        else
            Error mistakes

    let verb: Verb = {
        Name = "train"
        Help = "fit a model, keep the best, test it, write the run's folder"
        Words = ""
        Groups = groups
        Start =
            fun given ->
                // Which network's recipe is changed has to be known before; what is wrong with it is told later.
                let rows = [ DataOptions.data; ModelOptions.model ]
                let draft = (Reading.ofRows rows given.Settings Draft.start).Draft

                match ModelOptions.find [] draft.Network with
                | Ok model -> RecipeOptions.startOf draft.Data.Source model given.Settings
                | Error _ -> Draft.start
        Make =
            fun given draft ->
                let settings = Verb.ofRun groups given.Settings

                if GivenOption.has "resume" settings then
                    resume (settings |> List.filter (fun it -> not (List.contains it.Name withResume))) given draft
                else
                    fresh settings given draft
    }

    /// The recipe of a model as a request has it.
    let recipe (request: TrainRequest) (model: Model) : Result<Recipe, string list> =
        let start = RecipeOptions.startOf request.Data.Source model request.Settings
        let reading = Reading.ofRows (Verb.rows verb) request.Settings start
        let recipe = reading.Draft.Training

        match List.map snd reading.Misread @ reading.Misfits @ RecipeOptions.check recipe with
        | [] -> Ok recipe
        | errors -> Error errors
