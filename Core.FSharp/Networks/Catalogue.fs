namespace Hybrid

open System

/// Models by name: those of the zoo, and what a program has added.
[<RequireQualifiedAccess>]
module Catalogue =

    let private gate = obj ()

    let private tutorialFamilies = [ GoogleNet.family; ResNet.family; ResNet.preActivationFamily; DenseNet.family ]

    let mutable private families =

        tutorialFamilies
        @ TorchvisionResNet.families
        @ PreActivationResNet.families
        @ TorchvisionDenseNet.families
        @ MobileNet.families
        @ EfficientNet.families
        @ EfficientNetLite.families
        @ ConvNext.families

    let private tryFind (name: string) =
        families
        |> List.tryFind (fun (family: ModelFamily) -> family.Name.Equals(name, StringComparison.OrdinalIgnoreCase))

    /// All names, those of the zoo first, in the tutorial's order.
    let names () = families |> List.map _.Name

    /// The tutorial's four networks for images of 32×32, in its order: what is compared and measured where nobody says.
    let tutorial: string list = tutorialFamilies |> List.map _.Name

    /// Makes a family known under its name to whoever looks models up by theirs: every verb of the command line, recipes,
    /// checkpoints. Throws `ArgumentException` where the name is taken or no name, where `num_classes` is not among the
    /// hyperparameters, or where the defaults make no model.
    let add (family: ModelFamily) =
        let refuse problem = invalidArg (nameof family) $"the family '{family.Name}' {problem}"

        if family.Name = "" || family.Name |> Seq.exists (fun it -> Char.IsControl it || Char.IsWhiteSpace it) then
            refuse "needs a name without spaces"

        if family.Hparams |> List.forall (fun spec -> spec.Name <> HparamSpec.classes.Name) then
            refuse $"needs the hyperparameter {HparamSpec.classes.Name}"

        match ModelFamily.build family [] with
        | Error problem -> refuse $"makes no model of its defaults: {problem}"
        | Ok _ -> ()

        lock gate (fun () ->
            if (tryFind family.Name).IsSome then
                refuse "has a name that is taken"

            families <- families @ [ family ])

    /// The model of that name (case does not count) with some hyperparameters given as text. The error names what
    /// is wrong and what is allowed.
    let find (name: string) (overrides: (string * string) list) : Result<Model, string> =
        match tryFind name with
        | None -> Error(Suggest.unknownBy Suggest.nearestModels "model" (names ()) name)
        | Some family -> ModelFamily.build family overrides
