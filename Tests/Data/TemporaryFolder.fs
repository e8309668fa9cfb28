namespace Hybrid.Tests.Data

open System
open System.IO

/// A fresh folder for one test, gone with everything in it when the test is over.
type TemporaryFolder() =
    let path = Path.Combine(Path.GetTempPath(), "hybrid-tests-" + Guid.NewGuid().ToString "N")
    do Directory.CreateDirectory path |> ignore

    member _.Path = path

    /// A path below the folder, whether or not anything is there.
    member _.At([<ParamArray>] parts: string[]) = Path.Combine(Array.append [| path |] parts)

    /// The names right inside a folder below this one, sorted; hidden ones too. None where there is no such folder.
    member _.Names([<ParamArray>] parts: string[]) =
        let folder = Path.Combine(Array.append [| path |] parts)

        if Directory.Exists folder then
            Directory.EnumerateFileSystemEntries folder |> Seq.map Path.GetFileName |> Seq.sort |> List.ofSeq
        else
            []

    interface IDisposable with
        member _.Dispose() = Directory.Delete(path, true)
