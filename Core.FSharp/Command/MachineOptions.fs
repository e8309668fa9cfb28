namespace Hybrid.Command

open Hybrid

/// Where and how to compute, and where results go.
module internal MachineOptions =

    let private start = Draft.start.Machine

    let private precisions = [
        for precision in [ Precision.Float32; Precision.Float64; Precision.BFloat16 ] ->
            (string precision).ToLowerInvariant(), precision
    ]

    /// Threads beyond the cores wait for one another, and each has a stack.
    let mostThreads = 1024

    let private ofProcess = List.map (Row.owned Owner.Process)

    let private ofCommandLine = Row.owned Owner.CommandLine

    let libtorch =
        "--libtorch FOLDER  use the libtorch in this folder, such as torch/lib of a PyTorch (default: HYBRID_LIBTORCH, or the one beside the program)"
        |> Row.sets Value.text (fun it draft -> { draft with Machine.Libtorch = it })
        |> ofCommandLine

    let computer = [
        yield!
            ofProcess [
                "--device DEVICE  auto, cpu, cuda, cuda:N or mps"
                |> Row.sets Value.device (fun it draft -> { draft with Machine.Device = it })
                |> Row.byDefault start.Device
                |> Row.decides
                "--threads N  libtorch's threads (default: the machine's cores)"
                |> Row.sets (Value.between 1 mostThreads) (fun it draft -> { draft with Machine.Threads = it })
                "--trim-memory  leave the C library's allocator as it is (slower: memory goes back to the system at once)"
                |> Row.flag (fun draft -> { draft with Machine.TrimMemory = true })
            ]
        libtorch
    ]

    /// What is computed with, which is of the run.
    let private numbers = [
        "--precision TYPE  " + (precisions |> List.map fst |> String.concat ", ")
        |> Row.sets (Value.word "precision" precisions) (fun it draft -> { draft with Machine.Precision = it })
        |> Row.byDefault ((string start.Precision).ToLowerInvariant())
        |> Row.decides
        "--tf32  multiply float32 numbers in TF32 on an NVIDIA GPU: faster, with three digits (default: float32)"
        |> Row.flagFits (fun draft ->
            match draft.Machine with
            | { Precision = Precision.Float64 | Precision.BFloat16 } ->
                Error "--tf32 is a way to multiply float32 numbers: leave --precision out"
            | { Device = "cpu" | "mps" as device } -> Error $"--tf32 is for NVIDIA GPUs: --device is {device}"
            | _ -> Ok { draft with Machine.Tf32 = true })
    ]

    let output = [
        "--json  print the result as one JSON object on the last line of stdout; all else goes to stderr"
        |> Row.flag (fun draft -> { draft with Json = true })
        |> Row.owned Owner.Process
        // It is read before all others, since it holds some of them.
        "--config FILE  take options from this YAML file, under their names without dashes; those given here win"
        |> Row.sets Value.text (fun _ draft -> draft)
        |> ofCommandLine
    ]

    let all = computer @ numbers @ output

    let out help =
        $"--out FOLDER  {help}"
        |> Row.sets Value.text (fun it draft -> { draft with Out = it })
        |> Row.owned Owner.Process

    let target =
        "--to FILE  file to write; its ending decides: .safetensors, .pt (a state dict), .ckpt (PyTorch Lightning reads it), .onnx (ONNX Runtime reads it), .py (the network as plain PyTorch code), .svg (a diagram of the network)"
        |> Row.sets Value.text (fun it draft -> { draft with To = it })

    /// Of an ONNX file alone.
    let onnx =
        let first, last = Onnx.opsets

        [
            $"--opset N  version of ONNX's operators, {first} to {last}"
            |> Row.sets (Value.between first last) (fun it draft -> { draft with Onnx.Opset = it })
            |> Row.byDefault Onnx.usual.Opset
            "--fold  write batch norms into the convolutions before them"
            |> Row.flag (fun draft -> { draft with Onnx.Fold = true })
            "--precision FLOAT  of the weights and the arithmetic, float32 or float16; inputs, outputs, norms and means stay float32"
            |> Row.sets (Value.word "precision" [ "float32", false; "float16", true ]) (fun it draft -> {
                draft with
                    Onnx.Half = it
            })
            |> Row.byDefault "float32"
            "--with-preprocessing  the graph reads pictures of any size, bytes N×H×W×3, and gives probabilities"
            |> Row.flag (fun draft -> { draft with WithPreprocessing = true })
        ]

    let predictions = [
        "--top N  classes to name for each picture, the most probable ones"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Top = it })
        |> Row.byDefault Draft.start.Top
        "--csv FILE  write the table to this file as CSV; - for stdout, with all else on stderr"
        |> Row.sets Value.csv (fun it draft -> { draft with Csv = it })
    ]

    let measurements = [
        "--repeats N  how often everything is measured"
        |> Row.sets (Value.atLeast 1) (fun it draft -> { draft with Repeats = it })
        |> Row.byDefault Draft.start.Repeats
        "--seconds X  length of each measurement"
        |> Row.sets (Value.within 0.001 3600.0) (fun it draft -> { draft with Seconds = it })
        |> Row.byDefault Draft.start.Seconds
        "--against NAMES  also measure naive (plain TorchSharp modules), pytorch (the Python in HYBRID_PYTHON, or python3) and lightning (with its data loader), in turns"
        |> Row.sets Value.comparisons (fun it draft -> { draft with Against = it })
        |> ofCommandLine
        // What a child process of the measurement runs.
        "--worker WORK" |> Row.sets Value.text (fun it draft -> { draft with Worker = it }) |> ofCommandLine
    ]
