// The packages as their users have them: packed, installed from a folder into empty places, and used.
// dotnet fsi Tests/packages.fsx: prints a line for each, and ends with 1 where one does not work.
open System
open System.Diagnostics
open System.IO

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, ".."))
let place = Directory.CreateTempSubdirectory("hybrid-packages-").FullName
let feed = Path.Combine(place, "feed")

// A version of its own: the package cache would go on giving what it has seen under another one.
let version = $"0.1.0-test.{DateTime.UtcNow.Ticks}"

let platform =
    Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier.Replace("debian.12", "linux")

let run (folder: string) (program: string) (arguments: string list) =
    let info =
        ProcessStartInfo(
            program,
            arguments,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    use work = Process.Start info
    let error = work.StandardError.ReadToEndAsync()
    let output = work.StandardOutput.ReadToEnd()
    work.WaitForExit()
    work.ExitCode, output + error.Result

let succeed folder program arguments =
    match run folder program arguments with
    | 0, output -> output
    | code, output ->
        let command = String.concat " " (program :: arguments)
        failwith $"{command} ended with {code}:\n{output}"

let holds (part: string) (text: string) =
    if not (text.Contains part) then
        failwith $"'{part}' is not in:\n{text}"

let folderOf name files =
    let folder = Directory.CreateDirectory(Path.Combine(place, name)).FullName

    for file: string, text: string in files do
        let path = Path.Combine(folder, file)
        Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
        File.WriteAllText(path, text)

    folder

let mutable failed = 0

let check name work =
    let clock = Stopwatch.StartNew()

    try
        work ()
        printfn $"ok      {name} ({clock.Elapsed.TotalSeconds:F0} s)"
    with error ->
        failed <- failed + 1
        printfn $"FAILED  {name}\n{error.Message}"

let pack project properties =
    succeed root "dotnet" [
        yield! [ "pack"; project; "-c"; "Release"; "-o"; feed; $"-p:Version={version}" ]
        yield! properties
    ]
    |> ignore

let project sdk properties items =
    $"""<Project Sdk="{sdk}">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    {properties}
  </PropertyGroup>
  <ItemGroup>{items}</ItemGroup>
</Project>
"""

let package = $"""<PackageReference Include="Hybrid" Version="{version}" />"""
let executable = "<OutputType>Exe</OutputType>"

/// 24 bits a pixel, the last row first.
let bitmap width height =
    let row = (3 * width + 3) / 4 * 4
    let bytes = Array.zeroCreate<byte>(54 + row * height)
    let put (at: int) (value: int) = BitConverter.TryWriteBytes(Span(bytes, at, 4), value) |> ignore
    bytes[0] <- byte 'B'
    bytes[1] <- byte 'M'

    for at, value in [ 2, bytes.Length; 10, 54; 14, 40; 18, width; 22, height; 26, 0x180001; 34, row * height ] do
        put at value

    Random(1).NextBytes(Span(bytes, 54, row * height))
    bytes

Directory.CreateDirectory feed |> ignore

File.WriteAllText(
    Path.Combine(place, "nuget.config"),
    $"""<configuration><packageSources><add key="packed" value="{feed}" /></packageSources></configuration>"""
)

File.WriteAllBytes(Path.Combine(place, "noise.bmp"), bitmap 45 30)
let picture = Path.Combine(place, "noise.bmp")
let checkpoint = Path.Combine(place, "model.safetensors")
let tool = Path.Combine(place, "tool", "hybrid")

check "pack" (fun () ->
    pack "Core.FSharp" []
    pack "Host.CSharp" []
    // build.fsx packs it for all platforms; only this one's can be tried here.
    pack "Host.CSharp" [ "-p:HybridPackage=tool"; $"-p:RuntimeIdentifiers={platform}" ]

    for file in Directory.GetFiles(feed, "*.nupkg") do
        if FileInfo(file).Length > 250_000_000L then
            failwith $"{file} has more than 250 MB")

check "the tool" (fun () ->
    succeed place "dotnet" [
        yield! [ "tool"; "install"; "Hybrid.Tool"; "--version"; version ]
        yield! [ "--tool-path"; Path.Combine(place, "tool") ]
    ]
    |> ignore

    let words =
        "train --max-steps 2 --batch-size 16 --limit-train 64 --limit-val 16 --limit-test 16 --hparam num_blocks=1,1,1 --hparam c_hidden=4,8,8 --out runs --json"

    succeed place tool (List.ofArray (words.Split ' ')) |> ignore

    let best = Directory.GetFiles(Path.Combine(place, "runs", "version_0", "checkpoints"), "epoch*")

    File.Copy(best[0], checkpoint)
    succeed place tool [ "doctor" ] |> holds "libtorch")

/// What the command line says of the picture.
let predicted =
    lazy
        (let table =
            succeed place tool [ "predict"; "--checkpoint"; checkpoint; "--csv"; "-"; "--top"; "1"; picture ]

         let row = table.Split '\n' |> Array.find (fun line -> line.StartsWith picture)
         row.Split(',')[1])

check "a C# program, by way of a class library" (fun () ->
    let library =
        folderOf "Library" [
            "Library.csproj", project "Microsoft.NET.Sdk" "" package
            "Pets.cs",
            """namespace Library;

using Hybrid;

public sealed class Pets(string file) : IDisposable
{
    private readonly ImageClassifier _classifier = ImageClassifier.Load(file);

    public string Name(string picture) => _classifier.Classify(picture)[0].Name;

    public void Dispose() => _classifier.Dispose();
}
"""
        ]

    let program =
        folderOf "Program" [
            "Program.csproj",
            project "Microsoft.NET.Sdk" executable $"""<ProjectReference Include="{library}/Library.csproj" />"""
            "Program.cs", "using var pets = new Library.Pets(args[0]);\nConsole.WriteLine(pets.Name(args[1]));\n"
        ]

    let said = succeed program "dotnet" [ "run"; "-c"; "Release"; "--"; checkpoint; picture ]
    said |> holds predicted.Value

    match run program "dotnet" [ "publish"; "-c"; "Release"; "-r"; platform; "-p:PublishTrimmed=true" ] with
    | 0, _ -> failwith "a trimmed program was published"
    | _, output -> output |> holds "Hybrid cannot be trimmed"

    succeed program "dotnet" [
        yield! [ "publish"; "-c"; "Release"; "-r"; platform; "-o"; Path.Combine(place, "single") ]
        yield! [ "--self-contained"; "false"; "-p:PublishSingleFile=true" ]
    ]
    |> ignore

    succeed place (Path.Combine(place, "single", "Program")) [ checkpoint; picture ]
    |> holds predicted.Value)

check "a web service" (fun () ->
    let service =
        folderOf "Service" [
            "Service.csproj", project "Microsoft.NET.Sdk.Web" "" package
            "Program.cs",
            """using Hybrid;

var builder = WebApplication.CreateBuilder();
builder.WebHost.UseUrls("http://127.0.0.1:0");
builder.Logging.ClearProviders();
builder.Services.AddSingleton<IImageClassifier>(_ => ImageClassifier.Load(args[0]));
var app = builder.Build();
app.MapPost(
    "/",
    async (HttpRequest request, IImageClassifier classifier, CancellationToken cancellation) =>
        (await classifier.ClassifyAsync(request.Body, 1, cancellation))[0].Name
);
await app.StartAsync();

var picture = await File.ReadAllBytesAsync(args[1]);
using var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
var answers = await Task.WhenAll(
    Enumerable.Range(0, 8).Select(async _ =>
    {
        var all = new List<string>();
        for (var i = 0; i < 25; i++)
        {
            using var answer = await client.PostAsync("/", new ByteArrayContent(picture));
            all.Add(await answer.Content.ReadAsStringAsync());
        }
        return all;
    })
);
await app.StopAsync();
await app.DisposeAsync();
foreach (var (name, count) in answers.SelectMany(it => it).CountBy(it => it))
    Console.WriteLine($"{count} answers: {name}");
"""
        ]

    succeed service "dotnet" [ "run"; "-c"; "Release"; "--"; checkpoint; picture ]
    |> holds $"200 answers: {predicted.Value}")

check "an F# script" (fun () ->
    let folder =
        folderOf
            "Script"
            (List.singleton (
                "script.fsx",
                $"""#i "nuget: {feed}"
#r "nuget: Hybrid, {version}"

open Hybrid
open Hybrid.Combinators
open TorchSharp

Hybrid.Host.Runtime.Libtorch.Load ""
let net = conv 8 >>> batchNorm >>> relu >>> globalAvgPool >>> flatten >>> linear 10
let plan = Plan.elaborate (Shape.Image(3, 32, 32)) net |> Result.defaultWith (fun _ -> failwith "shapes")
use generator = new torch.Generator(1UL, torch.CPU)
use network = TorchModule.create Placement.cpu Initialisation.PyTorch generator plan
use images = torch.zeros(2L, 3L, 32L, 32L)
use logits = network.forward images
printfn "%%A" logits.shape
use classifier = ImageClassifier.Load fsi.CommandLineArgs[1]
printfn "%%s" ((classifier.Classify(fsi.CommandLineArgs[2]) |> Seq.head).Name)
"""
            ))

    let said = succeed folder "dotnet" [ "fsi"; "script.fsx"; checkpoint; picture ]
    said |> holds "[|2L; 10L|]"
    said |> holds predicted.Value)

// What this has put into the package cache is of no use to anybody.
let cache =
    match Environment.GetEnvironmentVariable "NUGET_PACKAGES" with
    | null
    | "" -> Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.UserProfile, ".nuget", "packages")
    | named -> named

for folder in Directory.GetDirectories(cache, "hybrid*") do
    let own = Path.Combine(folder, version)

    if Directory.Exists own then
        Directory.Delete(own, true)

Directory.Delete(place, true)
exit (if failed = 0 then 0 else 1)
