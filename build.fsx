// The build, for people and for CI: `dotnet fsi build.fsx TARGET`.
open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions

Directory.SetCurrentDirectory __SOURCE_DIRECTORY__

let start (folder: string) (capture: bool) (command: string) =
    let words = command.Split(' ', 2)

    let info =
        ProcessStartInfo(words[0], words[1], RedirectStandardOutput = capture, WorkingDirectory = folder)

    use work = Process.Start info
    let output = if capture then work.StandardOutput.ReadToEnd() else ""
    work.WaitForExit()
    work.ExitCode, output

/// Runs a command in a folder; the first that fails ends the build with its exit code.
let runIn folder command =
    printfn "> %s" command
    let code, _ = start folder false command

    if code <> 0 then
        exit code

let run command = runIn "." command

let lines command =
    let _, output = start "." true command

    output.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
    |> List.ofArray

let tools () = run "dotnet tool restore"
let restore () = run "dotnet restore Hybrid.sln"
let build () = run "dotnet build Hybrid.sln -c Release"
let test () = run "dotnet run -c Release --project Tests"
let nightly () = run "dotnet run -c Release --project Tests -- nightly"
let bench () = run "dotnet run -c Release --project Host.CSharp -- bench"

let fsharp = "Core.FSharp Tests Examples bench build.fsx"

/// C#, and the XML of projects and build files.
let csharp = "."

let format () =
    tools ()
    run $"dotnet fantomas {fsharp}"
    run $"dotnet csharpier format {csharp}"

/// A feed's address belongs to a machine. Committed, it would break the build on every other one.
let feedless () =
    let address =
        Regex(@"https?://[^\s""']+/index\.json|^\s*(remote|source):?\s+https?://", RegexOptions.Multiline)

    let named =
        lines "git ls-files --cached --others --exclude-standard"
        |> List.filter (fun file -> File.Exists file && FileInfo(file).Length < 1_000_000L)
        |> List.filter (fun file -> address.IsMatch(File.ReadAllText file))

    for file in named do
        eprintfn "%s names a package feed: `dotnet fsi build.fsx lock` puts %%NUGET_FEED%% there" file

    if not named.IsEmpty then
        exit 1

let check () =
    tools ()
    feedless ()
    run $"dotnet fantomas --check {fsharp}"
    run $"dotnet csharpier check {csharp}"

/// The machine's first enabled NuGet source, as Directory.Build.targets has it too.
let feed () =
    match Environment.GetEnvironmentVariable "NUGET_FEED" with
    | null
    | "" ->
        lines "dotnet nuget list source --format short"
        |> List.tryPick (fun line ->
            match Regex.Match(line, @"^E[A-Z]* (https?://\S+)") with
            | found when found.Success -> Some found.Groups[1].Value
            | _ -> None)
        |> Option.defaultWith (fun () -> failwith "NuGet has no enabled HTTP source on this machine")
    | address -> address

/// Resolves paket.dependencies anew. Twice, because where a feed does not tell what a package depends on Paket learns
/// it from the package itself; and Paket writes the address it used, where the variable has to stay.
let lock () =
    tools ()
    let address = feed ()
    Environment.SetEnvironmentVariable("NUGET_FEED", address)

    try
        run "dotnet paket update --no-install"
        run "dotnet paket restore --group Main"
        run "dotnet paket update --no-install"
    finally
        File.WriteAllText("paket.lock", File.ReadAllText("paket.lock").Replace(address, "%NUGET_FEED%"))

    feedless ()

/// Into `packages`: the core, the library, and the tool for all platforms.
let pack () =
    run "dotnet pack Core.FSharp -c Release -o packages"
    run "dotnet pack Host.CSharp -c Release -o packages"
    run "dotnet pack Host.CSharp -c Release -p:HybridPackage=tool -o packages"

/// Installs the packages into empty folders and uses them.
let packages () = run "dotnet fsi Tests/packages.fsx"

/// A page of the documentation for the site: links into the repository, where the site has no page, become their text.
let forSite (page: string) =
    let toPages = Regex.Replace(page, @"\]\((?:docs/)?([a-z]+)\.md(#[^)]*)?\)", "]($1.html$2)")
    Regex.Replace(toPages, @"\[([^\]]*)\]\((?!https?:|#|[a-z]+\.html)[^)]*\)", "$1")

/// Into `site`, to be opened without a server: README and docs, the core's API by fsdocs, the C# library's by docfx.
let docs () =
    build ()
    // They have a manifest of their own: half a gigabyte that nothing else needs.
    runIn "docs" "dotnet tool restore"
    let input, site = "obj/docs/pages", "site"

    for folder in [ "obj/docs"; site ] do
        if Directory.Exists folder then
            Directory.Delete(folder, true)

    Directory.CreateDirectory input |> ignore

    for file in Directory.GetFiles("docs", "*.md") do
        File.WriteAllText(Path.Combine(input, Path.GetFileName file), forSite (File.ReadAllText file))

    File.WriteAllText(Path.Combine(input, "index.md"), forSite (File.ReadAllText "README.md"))
    File.WriteAllText(Path.Combine(input, "changes.md"), forSite (File.ReadAllText "CHANGELOG.md"))
    File.WriteAllText(Path.Combine(input, "license.md"), "# Licence\n\n" + File.ReadAllText "LICENSE")
    File.Copy("docs/icon.png", Path.Combine(input, "icon.png"))

    let core = Path.GetFullPath "Core.FSharp/Core.FSharp.fsproj"

    runIn
        "docs"
        ($"dotnet fsdocs build --clean --mdcomments --input ../{input} --output ../{site} --projects {core} "
         + "--properties Configuration=Release --parameters root ./ fsdocs-collection-name Hybrid "
         + "fsdocs-logo-src ./icon.png fsdocs-favicon-src ./icon.png fsdocs-logo-link ./index.html fsdocs-license-link ./license.html "
         + "fsdocs-release-notes-link ./changes.html fsdocs-repository-link ./csharp/index.html")

    File.AppendAllText(
        Path.Combine(site, "content", "fsdocs-theme.css"),
        "\n.fsdocs-summary, .fsdocs-summary p { display: inline; }\n"
    )

    // The reference lies one folder deeper than the pages that its links are written for.
    for file in Directory.GetFiles(Path.Combine(site, "reference"), "*.html") do
        let page = File.ReadAllText file
        File.WriteAllText(file, Regex.Replace(page, "(href|src)=\"\\./", "$1=\"../"))

    for file in Directory.GetFiles(site, "*.html", SearchOption.AllDirectories) do
        let page = Regex.Replace(File.ReadAllText file, @"Source\s+Repository", "C# API")
        // Fonts and icons of other servers: the pages are read without them.
        File.WriteAllText(
            file,
            Regex.Replace(page, @"<(link|script)[^>]*(googleapis|gstatic|iconify)[^>]*>(</script>)?", "")
        )

    runIn "docs" "dotnet docfx csharp/docfx.json"
    File.Copy("docs/icon.png", Path.Combine(site, "csharp", "icon.png"), true)
    Directory.Delete("docs/.fsdocs", true)

let targets = [
    "restore", "tools and packages, as paket.lock has them", restore
    "format", "formats all sources", format
    "build", "builds everything in Release", build
    "test", "runs the tests", test
    "nightly", "runs the tests with ten times as many damaged files and kills", nightly
    "bench", "measures this machine's throughput", bench
    "pack", "makes the NuGet packages, in the folder packages", pack
    "packages", "installs the packages into empty folders and uses them", packages
    "docs", "makes the pages in the folder site: README, docs and the API", docs
    "check", "fails where a file is not formatted or names a package feed", check
    "lock", "resolves paket.dependencies into paket.lock", lock
]

match fsi.CommandLineArgs |> List.ofArray |> List.tail with
| [ wanted ] when targets |> List.exists (fun (name, _, _) -> name = wanted) ->
    targets
    |> List.iter (fun (name, _, work) ->
        if name = wanted then
            work ())
| _ ->
    eprintfn "usage: dotnet fsi build.fsx TARGET\n"

    for name, what, _ in targets do
        eprintfn "  %-8s %s" name what

    exit 2
