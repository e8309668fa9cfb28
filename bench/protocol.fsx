// The published protocol on one machine: four networks, CIFAR-10, 180 epochs each, as one page of results.
//
//   dotnet build -c Release
//   dotnet fsi bench/protocol.fsx [--out FOLDER] [--models ResNet,DenseNet] [--seeds 42,43,44] [options of hybrid train]
//
// Every run has a folder of its own below FOLDER (protocol). Started again, finished runs are left alone and one that was
// cut off goes on from its last saved state. To try it out: --epochs 1 --limit-train 256 --limit-val 64 --limit-test 64.
// HYBRID names the program where it is not the one that was built here: its hybrid.dll, or a published executable.
open System
open System.Diagnostics
open System.Globalization
open System.IO
open System.Text.Json

CultureInfo.CurrentCulture <- CultureInfo.InvariantCulture

let rec private divide (own: Map<string, string>) rest (arguments: string list) =
    match arguments with
    | ("--out" | "--models" | "--seeds" as key) :: value :: more -> divide (Map.add key value own) rest more
    | other :: more -> divide own (other :: rest) more
    | [] -> own, List.rev rest

let own, options =
    fsi.CommandLineArgs |> List.ofArray |> List.tail |> List.filter ((<>) "--") |> divide Map.empty []

let get key usual = own |> Map.tryFind key |> Option.defaultValue usual
let out = Path.GetFullPath(get "--out" "protocol")
let models = (get "--models" "GoogleNet,ResNet,ResNetPreAct,DenseNet").Split ','
let seeds = (get "--seeds" "42").Split ','

let program =
    match Environment.GetEnvironmentVariable "HYBRID" with
    | null
    | "" -> Path.Combine(__SOURCE_DIRECTORY__, "..", "Host.CSharp", "bin", "Release", "net10.0", "hybrid.dll")
    | named -> Path.GetFullPath named

/// Runs the program; what it says to people goes through, the last line of its stdout is the result.
let hybrid (arguments: string list) =
    let file, before = if program.EndsWith ".dll" then "dotnet", [ program ] else program, []
    use work = Process.Start(ProcessStartInfo(file, before @ arguments, RedirectStandardOutput = true))
    let said = work.StandardOutput.ReadToEnd().TrimEnd().Split '\n' |> Array.last
    work.WaitForExit()
    work.ExitCode, said

/// Either ending ends the script: after Ctrl-C a run has saved its state.
let orEnd (code, said) =
    if code <> 0 then
        exit code

    said

let data = if List.contains "--data" options then [] else [ "--data"; "cifar10" ]

/// A run's result, from its file, from its last state or from the beginning.
let run model seed =
    let folder = Path.Combine(out, $"{model}-{seed}")
    let result = Path.Combine(folder, "result.json")

    let saved =
        Directory.Exists folder
        && Directory.EnumerateFiles(folder, "last.safetensors", SearchOption.AllDirectories)
           |> Seq.isEmpty
           |> not

    if not (File.Exists result) then
        let arguments =
            if saved then
                [ "--resume"; folder ]
            else
                [ "--model"; model; "--seed"; seed; "--out"; folder ] @ data @ options

        let said = hybrid ("train" :: "--json" :: arguments) |> orEnd
        File.WriteAllText(result, said)

    JsonDocument.Parse(File.ReadAllText result).RootElement

/// Of all epochs, whichever process they were in.
let seconds (result: JsonElement) =
    let rows = File.ReadAllLines(Path.Combine(result.GetProperty("run_dir").GetString(), "epochs.csv"))
    let column = rows[0].Split ',' |> Array.findIndex ((=) "seconds")
    rows |> Seq.skip 1 |> Seq.sumBy (fun row -> float (row.Split(',')[column]))

let number (result: JsonElement) (key: string) =
    match result.GetProperty key with
    | value when value.ValueKind = JsonValueKind.Number -> value.GetDouble()
    | _ -> nan

let percent share = if Double.IsNaN share then "-" else $"{100.0 * share:F2}%%"

/// Mean and standard deviation over the seeds.
let spread (values: float list) =
    let mean = List.average values

    let variance =
        values
        |> List.sumBy (fun value -> (value - mean) ** 2.0)
        |> fun sum -> sum / float (values.Length - 1)

    $"{100.0 * mean:F2} ± {100.0 * sqrt variance:F2}%%"

let rowsOf (model: string, results: (string * JsonElement) list) = [
    for seed, result in results do
        let time = TimeSpan.FromSeconds(seconds result)
        let best, parameters = number result "best_epoch" + 1.0, number result "num_params"
        let validation, test = percent (number result "val_acc"), percent (number result "test_acc")
        $"| {model} | {seed} | {validation} | {test} | {best} | {parameters:N0} | {time:``d\.hh\:mm\:ss``} |"

    if results.Length > 1 then
        let over key = results |> List.map (fun (_, result) -> number result key) |> spread
        let validation, test = over "val_acc", over "test_acc"
        $"| **{model}** | {results.Length} seeds | {validation} | {test} | | | |"
]

let facts () =
    let looked = set [ "--device"; "--libtorch"; "--threads" ]

    let same =
        options
        |> List.pairwise
        |> List.collect (fun (key, value) -> if looked.Contains key then [ key; value ] else [])

    let said = hybrid ([ "doctor"; "--json" ] @ same) |> orEnd

    [
        for fact in JsonDocument.Parse(said).RootElement.GetProperty("facts").EnumerateArray() do
            let text (key: string) = fact.GetProperty(key).GetString()

            if text "name" <> "data" then
                let name, found = text "name", text "found"
                $"| {name} | {found} |"
    ]

let page results =
    let settings = String.Join(' ', data @ options)
    let today = DateTime.UtcNow.ToString "yyyy-MM-dd"

    [
        "# Results of the published protocol"
        ""
        $"`hybrid train --model MODEL --seed SEED {settings}`, finished on {today}."
        "The best epoch by validation accuracy is the one that is tested; time is that of all epochs, validation included."
        ""
        "| Model | Seed | Val accuracy | Test accuracy | Best epoch | Parameters | Time |"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
        yield! List.collect rowsOf results
        ""
        "| Machine | |"
        "| --- | --- |"
        yield! facts ()
        ""
    ]
    |> String.concat "\n"

Directory.CreateDirectory out |> ignore
let results = [ for model in models -> model, [ for seed in seeds -> seed, run model seed ] ]
let file = Path.Combine(out, "results.md")
File.WriteAllText(file, page results)
printfn $"{file}"
