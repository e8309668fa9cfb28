module Hybrid.Tests.Runtime.LibtorchVersionTests

open System.IO
open Expecto
open Hybrid.Host.Runtime
open Hybrid.Tests.Data

let private parse text = LibtorchVersion.Parse text |> Option.ofObj

let tests =
    testList "libtorch's version" [
        test "numbers, and the CUDA that a build is for" {
            for text, number, cuda in
                [
                    "2.10.0+cu128\n", System.Version(2, 10, 0), "12.8"
                    "2.7.1+cpu", System.Version(2, 7, 1), null
                    "1.13.0a0", System.Version(1, 13, 0), null
                    "2.10", System.Version(2, 10, 0), null
                    "2.11.0+cu130", System.Version(2, 11, 0), "13.0"
                ] do
                let version = parse text |> Option.get
                Expect.equal version.Number number text
                Expect.equal version.Cuda cuda text

            Expect.isNone (parse "no version") "nothing to read"
        }

        test "as libtorch packs it into 64 bits" {
            Expect.equal (LibtorchVersion.OfAbi 0x020a000000000000UL).Number (System.Version(2, 10, 0)) "2.10.0"
            Expect.equal (LibtorchVersion.OfAbi 0x0207010000000000UL).Number (System.Version(2, 7, 1)) "2.7.1"
        }

        test "the one that TorchSharp was made for" {
            Expect.equal $"{LibtorchVersion.Wanted.Number}.0" TorchSharp.torch.__version__ "as TorchSharp says itself"
        }

        test "a patch apart is suited, a minor version apart is not" {
            let suits text = (parse text |> Option.get).Suits((parse "2.10.0") |> Option.get)
            Expect.isTrue (suits "2.10.1+cu128") "a patch"
            Expect.isFalse (suits "2.9.1") "the minor version before"
            Expect.isFalse (suits "2.11.0") "the next"
            Expect.isFalse (suits "1.10.0") "another major version"
        }

        test "from the files beside the libraries" {
            use folder = new TemporaryFolder()
            let lib = folder.At "lib"
            let beside () = LibtorchVersion.Beside lib |> Option.ofObj |> Option.map _.Text
            Expect.isNone (beside ()) "neither file"

            File.WriteAllText(
                folder.At "version.py",
                "from typing import Optional\n__version__ = '2.10.0+cu128'\ndebug = False\ncuda: Optional[str] = '12.8'\n"
            )

            Expect.equal (beside ()) (Some "2.10.0+cu128") "a PyTorch package's"
            File.WriteAllText(folder.At "build-version", "2.10.0+cpu\n")
            Expect.equal (beside ()) (Some "2.10.0+cpu") "a libtorch download's"
        }
    ]
