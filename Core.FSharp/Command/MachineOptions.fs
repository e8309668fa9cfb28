namespace Hybrid.Command

open Argu
open Hybrid

/// What the verbs that look at the machine are asked for.
module internal MachineOptions =

    let bench (args: ParseResults<BenchArgument>) =
        check {
            let! models = models (args.TryGetResult BenchArgument.Models)
            let! batchSize = Value.between 2 65536 "--batch-size" (args.GetResult(BenchArgument.Batch_Size, "128"))
            let! repeats = Value.atLeast 1 "--repeats" (args.GetResult(BenchArgument.Repeats, "5"))
            let! seconds = Value.within 0.001 3600.0 "--seconds" (args.GetResult(BenchArgument.Seconds, "1"))

            let! against =
                words (args.GetResult(BenchArgument.Against, ""))
                |> List.map (Value.oneOf "comparison" [ for word in [ "naive"; "pytorch"; "lightning" ] -> word, word ])
                |> all

            let! machine =
                machine
                    (args.TryGetResult BenchArgument.Device)
                    (args.TryGetResult BenchArgument.Precision)
                    (args.TryGetResult BenchArgument.Threads)
                    (args.Contains BenchArgument.Trim_Memory)
                    (args.TryGetResult BenchArgument.Libtorch)
                    (args.Contains BenchArgument.Tf32)

            return {
                BenchRequest.Models = models
                BatchSize = batchSize
                Machine = machine
                Repeats = repeats
                Seconds = seconds
                Against = Array.ofList (List.distinct against)
                Worker = args.GetResult(BenchArgument.Worker, "")
                Json = args.Contains BenchArgument.Json
            }
        }

    let doctor (args: ParseResults<DoctorArgument>) =
        machine
            (args.TryGetResult DoctorArgument.Device)
            None
            (args.TryGetResult DoctorArgument.Threads)
            (args.Contains DoctorArgument.Trim_Memory)
            (args.TryGetResult DoctorArgument.Libtorch)
            false
        |> Result.map (fun machine -> { DoctorRequest.Machine = machine; Json = args.Contains DoctorArgument.Json })
