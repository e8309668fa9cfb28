// Training from C#, without a console: a network learns drawn shapes, events are awaited, and the checkpoint classifies.
// dotnet run -c Release --project Examples/CSharp
using Hybrid;
using Hybrid.Host.Data;

var folder = Directory.CreateTempSubdirectory("hybrid-example-").FullName;
try
{
    var options = new TrainingOptions
    {
        Data = "shapes",
        Model = "ResNet",
        Hyperparameters = new Dictionary<string, string> { ["num_blocks"] = "1,1,1" },
        Epochs = 4,
        Augment = "none",
        BatchSize = 32,
        Out = folder,
        Others = new Dictionary<string, string>
        {
            ["limit-train"] = "2560",
            ["limit-val"] = "200",
            ["limit-test"] = "200",
        },
    };

    // Training goes on beside this loop; to leave it early is to end the run with its state saved.
    var run = ImageClassifier.StartTraining(options);
    await foreach (var happened in run.Events)
        if (happened is TrainingEvent.EpochValidated epoch)
            Console.WriteLine($"epoch {epoch.Epoch + 1}: loss {epoch.Loss:F3}, accuracy {epoch.Accuracy:P1}");

    var result = await run.Result;
    Console.WriteLine($"{result.NumParams:N0} parameters, test accuracy {result.TestAcc:P1}");

    // The checkpoint is complete: network, classes and normalisation are in it.
    using var classifier = ImageClassifier.Load(result.BestCheckpoint!);
    var pictures = Shapes.Draw(Shapes.Seed, Split.Test, 10);
    var right = 0;
    for (var place = 0; place < pictures.Count; place++)
    {
        var shown = pictures.Classes[(int)pictures.Labels[place]];
        var top = classifier.ClassifyPixels(pictures.Image(place), pictures.Height, pictures.Width, top: 2);
        Console.WriteLine($"{shown, -10} {string.Join(", ", top)}");
        right += top[0].Name == shown ? 1 : 0;
    }

    // Guessing finds one of ten.
    return right >= 2 && result.TestAcc > 0.2 ? 0 : throw new InvalidOperationException($"{right} of 10 are right");
}
finally
{
    Directory.Delete(folder, recursive: true);
}
