module Hybrid.Tests.Commands.DoctorTests

open Expecto
open Hybrid.Tests.Data

let tests =
    testList "doctor" [
        test "tells what was found" {
            use folder = new TemporaryFolder()
            let result = (Executable.succeed folder.Path [ "doctor"; "--json"; "--threads"; "1" ]).Json
            Expect.isTrue (result.GetProperty("healthy").GetBoolean()) "tensors can be used"

            let facts =
                dict [
                    for fact in result.GetProperty("facts").EnumerateArray() ->
                        fact.GetProperty("name").GetString() |> string, fact.GetProperty("found").GetString() |> string
                ]

            Expect.equal facts["threads"] "1" "as asked for"

            for name in [ "libtorch"; "device"; "allocator"; "3×3 convolutions"; "torchsharp shim"; "data" ] do
                Expect.isTrue (facts.ContainsKey name) name
        }
    ]
