/// Exported networks in ONNX Runtime.
module Hybrid.Tests.Onnx.Ort

open System
open System.Collections.Concurrent
open System.IO
open Expecto
open Microsoft.ML.OnnxRuntime
open Microsoft.ML.OnnxRuntime.Tensors
open TorchSharp
open Hybrid

let private said = ConcurrentQueue<string>()

let private listen =
    DOrtLoggingFunction(fun _ level _ _ place message -> said.Enqueue $"{level} {place} {message}")

/// The one environment of the process, made before any session: it hands on all that ONNX Runtime warns of.
let private environment =
    lazy
        (let mutable options =
            EnvironmentCreationOptions(
                logId = "tests",
                logLevel = Nullable OrtLoggingLevel.ORT_LOGGING_LEVEL_WARNING,
                loggingFunction = listen
            )

         OrtEnv.CreateInstanceWithOptions &options)

/// Opens a file, of which ONNX Runtime may have nothing to say.
let openSession optimised (file: byte array) =
    environment.Value |> ignore

    use options =
        new SessionOptions(
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
            GraphOptimizationLevel =
                if optimised then
                    GraphOptimizationLevel.ORT_ENABLE_ALL
                else
                    GraphOptimizationLevel.ORT_DISABLE_ALL
        )

    let session = new InferenceSession(file, options)
    Expect.isEmpty said "warnings of ONNX Runtime"
    session

/// What comes out of `output` for a batch, as a tensor of single precision.
let run (session: InferenceSession) (batch: Tensor) : Tensor =
    use _ = torch.NewDisposeScope()
    let plain = batch.detach().``to``(torch.ScalarType.Float32).contiguous()
    let numbers, shape = plain.data<float32>().ToArray(), plain.shape |> Array.map int

    use outputs =
        session.Run [| NamedOnnxValue.CreateFromTensor("input", DenseTensor(Memory numbers, ReadOnlySpan shape)) |]

    let output = (Seq.exactlyOne outputs).AsTensor<float32>().ToDenseTensor()
    let sizes = output.Dimensions.ToArray() |> Array.map int64
    torch.tensor(output.Buffer.ToArray()).reshape(sizes).MoveToOuterDisposeScope()

/// A network as a file.
let write (options: OnnxOptions) (network: TorchModule) =
    use target = new MemoryStream()
    Onnx.write options "Network" [] network.Weights target
    target.ToArray()
