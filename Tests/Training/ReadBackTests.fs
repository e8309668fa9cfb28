/// A value that goes from the device to the host makes the host wait for all that the device has still to do.
module Hybrid.Tests.Training.ReadBackTests

open System
open Expecto
open Mono.Cecil
open TorchSharp
open Hybrid
open Hybrid.Combinators
open Hybrid.Tests.Training.SmallData

/// On this device tensors have shapes and no numbers: whatever asks for a number throws.
let private nowhere = { Placement.cpu with Device = torch.META; Layout = Layout.Contiguous }

/// Of layers that libtorch has for such tensors; convolutions and norms are not among them.
let private shapesOnly =
    Model.ofNet "Shapes" 10 (sequential [ maxPool 2; relu; flatten; linear 16; relu; linear 10 ])

let private batch () : Batch = {
    Images = torch.zeros ([| 8L; 3L; 8L; 8L |], device = torch.META)
    Labels = torch.zeros ([| 8L |], dtype = Nullable torch.ScalarType.Int64, device = torch.META)
}

let private steps recipe count =
    use network = build nowhere 0 (Shape.Image(3, 8, 8)) shapesOnly
    Loop.fold recipe network (Loop.start recipe network 4) (Seq.init count (fun _ -> batch ()))

/// TorchSharp's ways from a tensor to numbers.
let private reads =
    set [
        "item"
        "data"
        "cpu"
        "ToSingle"
        "ToDouble"
        "ToInt32"
        "ToInt64"
        "ToBoolean"
        "op_Explicit"
        "clip_grad_norm_"
    ]

let private readsBack (called: MethodReference) =
    called.DeclaringType.FullName.StartsWith "TorchSharp" && reads.Contains called.Name

/// Of each source file, the members whose code calls one of them.
let private readers =
    lazy
        (use core = AssemblyDefinition.ReadAssembly typeof<Recipe>.Assembly.Location

         let rec all (t: TypeDefinition) = t :: (List.ofSeq t.NestedTypes |> List.collect all)

         set [
             for top in core.MainModule.Types do
                 for t in all top do
                     for m in t.Methods do
                         if m.HasBody then
                             let calls =
                                 m.Body.Instructions
                                 |> Seq.exists (fun code ->
                                     match code.Operand with
                                     | :? MethodReference as called -> readsBack called
                                     | _ -> false)

                             if calls then
                                 top.Name, (if t = top then m.Name else t.Name)
         ])

let tests =
    testList "reading back" [
        test "nothing can be read where the next tests compute" {
            use total = torch.zeros(3L, device = torch.META).sum()
            Expect.throws (fun () -> total.item<float32>() |> ignore) "a tensor without numbers"
        }

        for name, recipe in
            [
                for name, (optimizer, _) in Recipe.optimizers do
                    name, { Recipe.plain with Optimizer = optimizer }

                "a clipped norm", { Recipe.plain with Clipping = Some(Clipping.Norm 1.0) }
                "clipped values", { Recipe.plain with Clipping = Some(Clipping.Value 1.0) }
                "two batches", { Recipe.plain with Accumulate = 2 }
                "a moving average", { Recipe.plain with Average = Some 0.9 }
                "a frozen body", { Recipe.plain with Body = BodyTraining.frozen }
                "smoothed labels", { Recipe.plain with Objective = Objective.CrossEntropy 0.1 }
            ] do
            test $"a step of {name}, its loss and its hits take nothing from the device" {
                let state = steps recipe (3 * recipe.Accumulate)
                Expect.equal state.Step 3L "done without a number"
                (state :> IDisposable).Dispose()
            }

        test "nor does the making of a batch, nor a network, nor the sums of an epoch" {
            let whoReads file =
                readers.Value |> Set.filter (fun (top, _) -> top = file || top = file + "Module") |> Set.map snd

            for file in
                [
                    "Forward"
                    "TorchModule"
                    "Weights"
                    "Augment"
                    "Batch"
                    "Loop"
                    "Optimizer"
                    "Objective"
                    "Clipping"
                    "TrainableParameters"
                    "Average"
                ] do
                Expect.isEmpty (whoReads file) $"{file} computes on the device alone"

            Expect.equal (whoReads "Tally") (set [ "get_Sums"; "get_FiniteBatches" ]) "read when somebody asks"
        }
    ]
