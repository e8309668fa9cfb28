module Hybrid.Tests.Program

open Expecto
open Hybrid.Tests

/// One line a test file: what is not named here does not run.
let private inside = [
    Runtime.ShimMendTests.tests
    Runtime.PrintableTests.tests
    Runtime.LibtorchVersionTests.tests
    Networks.NetLawTests.tests
    Networks.PlanTests.tests
    Networks.LayerTests.tests
    Networks.StoredNetTests.tests
    Networks.CatalogueTests.tests
    Describe.GraphTests.tests
    Describe.FootprintTests.tests
    Describe.DiagramTests.tests
    Describe.PyTorchCodeTests.tests
    Modules.TorchModuleLawTests.tests
    Gradients.GradientTests.tests
    Gradients.DestinationTests.tests
    Gradients.TapeTests.tests
    Gradients.TapeTests.freed
    Modules.TorchModuleTests.tests
    Modules.LayerReferenceTests.tests
    Modules.DrawTests.tests
    Modules.FamilyTests.tests
    Modules.MemoryTests.tests
    Inference.FusionTests.tests
    Onnx.OnnxTests.tests
    Onnx.PictureGraphTests.tests
    Bench.PlainModuleTests.tests
    Training.ScheduleTests.tests
    Training.OptimizerTests.tests
    Training.AugmentTests.tests
    Training.BatchTests.tests
    Training.StratifiedTests.tests
    Training.SamplesTests.tests
    Training.ObjectiveTests.tests
    Training.StepTests.tests
    Training.ReadBackTests.tests
    Training.RateFinderTests.tests
    Training.BatchSizeSearchTests.tests
    Training.FitTests.tests
    Training.FitResultTests.tests
    Training.DiagnosisTests.tests
    Training.StoredRunTests.tests
    Training.StoredValueTests.tests
    Training.ParityTests.tests
    Training.TorchReferenceTests.tests
    Training.PrecisionTests.tests
    Checkpoints.StoredTensorTests.tests
    Checkpoints.SafetensorsTests.tests
    Checkpoints.PickleTests.tests
    Checkpoints.TorchArchiveTests.tests
    Checkpoints.GoldenArchiveTests.tests
    Checkpoints.CheckpointFileTests.tests
    Checkpoints.WeightFitTests.tests
    Checkpoints.ForeignFileTests.tests
    Checkpoints.FineTuningTests.tests
    Checkpoints.StoredFactsTests.tests
    Checkpoints.ArchiveWriterTests.tests
    Checkpoints.ArchiveFuzzTests.tests
    Data.ImageSetTests.tests
    Data.CifarFilesTests.tests
    Data.CifarArchiveTests.tests
    Data.ShapesTests.tests
    Data.PictureTests.tests
    Data.ImageFolderTests.tests
    Data.FolderLayoutTests.tests
    Face.DocumentationTests.tests
    Commands.RecipeOptionTests.tests
    Commands.OptionTests.tests
    Report.HtmlTests.tests
    Report.RunReportTests.tests
    Report.ComparisonReportTests.tests
    Callbacks.TensorBoardFormatTests.tests
    Callbacks.TensorBoardTests.tests
    Callbacks.CsvLogTests.tests
    Commands.DocumentTests.tests
    Callbacks.ModelCheckpointTests.tests
]

/// Those that start the executable. One process at a time: each uses all cores, and together they would only wait for
/// one another.
let private processes = [
    Callbacks.TensorBoardRunTests.tests
    Callbacks.EpochCsvTests.tests
    Callbacks.OwnCallbackTests.tests
    Commands.RequestTests.tests
    Commands.TrainTests.tests
    Commands.StoredArgumentsTests.tests
    Commands.SignalTests.tests
    Commands.BrokenRunTests.tests
    Commands.RunFolderTests.tests
    Commands.ResumeTests.tests
    Commands.OwnModelTests.tests
    Commands.DebuggingTests.tests
    Commands.PublishedTests.tests
    Classifier.ImageClassifierTests.tests
    Classifier.TrainingTests.tests
    Commands.ExportTests.tests
    Commands.PyTorchExportTests.tests
    Commands.CheckpointTests.tests
    Commands.ReportTests.tests
    Commands.DoctorTests.tests
    Commands.FolderTests.tests
    Commands.OwnDataTests.tests
    Commands.LargeSetTests.tests
    Commands.PredictTests.tests
    Commands.BenchTests.tests
    Commands.LibtorchTests.tests
    Commands.TooLittleMemoryTests.tests
    Commands.TuningTests.tests
    Commands.ProtocolTests.tests
]

[<EntryPoint>]
let main arguments =
    // The rest run side by side: libtorch's own threads would only be in their way.
    TorchSharp.torch.set_num_threads 1
    let processes = testSequencedGroup "processes" (testList "executable" processes)
    let options = arguments |> Array.filter ((<>) Effort.word)
    runTestsWithCLIArgs [] options (testList "Hybrid" (processes :: inside))
