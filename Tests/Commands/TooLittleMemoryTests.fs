module Hybrid.Tests.Commands.TooLittleMemoryTests

open System
open System.IO
open Expecto
open Hybrid.Tests.Data

let tests =
    testList "too little memory" [
        test "says which batch size may fit, and leaves nothing" {
            // Other systems have no way to take memory from a process.
            if not (OperatingSystem.IsLinux()) then
                skiptest "ulimit is Linux's"

            use folder = new TemporaryFolder()
            let hybrid = Path.Combine(AppContext.BaseDirectory, "hybrid.dll")

            // One of its maps takes 4 GiB; the runtime would reserve more than the limit for a heap that it never uses.
            let outcome =
                Executable.tool "bash" [
                    "-c"
                    $"ulimit -v 6291456; cd {folder.Path}; DOTNET_GCHeapHardLimit=0x10000000 exec dotnet {hybrid} train \
                      --batch-size 4096 --limit-train 4096 --limit-val 8 --limit-test 8 --augment none --threads 1 \
                      --hparam c_hidden=256,8,8 --hparam num_blocks=1,1,1"
                ]

            Expect.equal outcome.ExitCode 1 outcome.Err

            for words in [ "device cpu"; "batches of 4096"; "GiB"; "--batch-size" ] do
                Expect.stringContains outcome.Err words "what was asked, and what to do"

            Expect.isLessThan (outcome.Err.Split('\n').Length) 4 "no stack trace"
            Expect.isEmpty (folder.Names()) "nothing half-written stays behind"
        }
    ]
