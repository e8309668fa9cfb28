namespace Hybrid

open TorchSharp

/// What a network said of one image.
type Answer = {
    /// The class that the image has.
    Label: int
    /// The class that the network gives it.
    Guess: int
    /// Probability of the guess, 0..1.
    Confidence: float
}

/// How often images of one class were given one class, be it their own.
type Confusion = { Label: int; Guess: int; Count: int }

/// Images of one class, and what became of them.
type ClassResult = {
    Count: int
    Correct: int
    /// Images of any class that were taken for this one.
    Guessed: int
} with

    /// Share of the class's images that were found; NaN where there are none.
    member result.Recall = float result.Correct / float result.Count

    /// Share of the guesses of this class that were right; NaN where there are none.
    member result.Precision = float result.Correct / float result.Guessed

/// Images whose confidence lies above `Lower` and not above `Upper`.
type ConfidenceBin = {
    Lower: float
    Upper: float
    Count: int
    /// NaN where the bin is empty.
    Accuracy: float
    /// Mean over the bin's images; NaN where there are none.
    Confidence: float
}

/// An image that was given a wrong class, by its place in the set.
type Mistake = { Image: int; Label: int; Guess: int; Confidence: float }

/// A network's answers to a set of images, in numbers.
type Diagnosis = {
    Metrics: Metrics
    /// In the order of the classes.
    Classes: ClassResult array
    /// What happened at least once, by label and then by guess.
    Confusions: Confusion array
    Bins: ConfidenceBin array
    /// NaN of no images.
    MeanConfidence: float
    /// Mean distance between confidence and accuracy over the bins, each weighed by its images; 0..1, NaN of no images.
    CalibrationError: float
    /// The wrong answers that were given with the most confidence, the surest first.
    Mistakes: Mistake array
}

[<RequireQualifiedAccess>]
module Diagnosis =

    /// Bins of equal width, as Guo et al. count them: "On Calibration of Modern Neural Networks", 2017.
    let private bins = 15

    let private mistakesShown = 24

    /// Each row of `logits` `[N, classes]` beside its label `[N]`.
    let answers (logits: Tensor) (labels: Tensor) : Answer array =
        use _ = torch.NewDisposeScope()
        // The guesses as the metrics count them: in a narrow type two logits may be the same.
        let guesses = logits.detach().argmax 1L
        // On the CPU and in double precision, which not every device has.
        let chances = logits.detach().cpu().``to``(torch.ScalarType.Float64).softmax 1L
        let places = guesses.cpu ()

        let confidences =
            chances.gather(1L, places.unsqueeze 1L).squeeze(1L).contiguous().data<float>().ToArray()

        let guesses = places.data<int64>().ToArray()
        let labels = labels.cpu().data<int64>().ToArray()

        Array.init labels.Length (fun row -> {
            Label = int labels[row]
            Guess = int guesses[row]
            Confidence = confidences[row]
        })

    let private confusions (answers: Answer array) : Confusion array =
        answers
        |> Array.countBy (fun answer -> answer.Label, answer.Guess)
        |> Array.sortBy fst
        |> Array.map (fun ((label, guess), count) -> { Label = label; Guess = guess; Count = count })

    let private classResults classes (confusions: Confusion array) : ClassResult array =
        let counts, correct, guessed =
            Array.zeroCreate classes, Array.zeroCreate classes, Array.zeroCreate classes

        for confusion in confusions do
            counts[confusion.Label] <- counts[confusion.Label] + confusion.Count
            guessed[confusion.Guess] <- guessed[confusion.Guess] + confusion.Count

            if confusion.Label = confusion.Guess then
                correct[confusion.Label] <- confusion.Count

        Array.init classes (fun place -> { Count = counts[place]; Correct = correct[place]; Guessed = guessed[place] })

    let private binOf confidence = int (ceil (confidence * float bins)) - 1 |> max 0 |> min (bins - 1)

    let private binned (answers: Answer array) : ConfidenceBin array =
        let groups = answers |> Array.groupBy (fun answer -> binOf answer.Confidence) |> Map.ofArray

        Array.init bins (fun place ->
            let inside = groups |> Map.tryFind place |> Option.defaultValue [||]
            let mean number = if inside.Length = 0 then nan else Array.averageBy number inside

            {
                Lower = float place / float bins
                Upper = float (place + 1) / float bins
                Count = inside.Length
                Accuracy = mean (fun answer -> if answer.Label = answer.Guess then 1.0 else 0.0)
                Confidence = mean _.Confidence
            })

    let private calibrationError count (bins: ConfidenceBin array) =
        bins
        |> Array.filter (fun bin -> bin.Count > 0)
        |> Array.sumBy (fun bin -> float bin.Count * abs (bin.Accuracy - bin.Confidence))
        |> fun sum -> sum / float count

    let private mistakes (answers: Answer array) : Mistake array =
        answers
        |> Array.indexed
        |> Array.filter (fun (_, answer) -> answer.Label <> answer.Guess)
        |> Array.sortBy (fun (image, answer) -> -answer.Confidence, image)
        |> Array.truncate mistakesShown
        |> Array.map (fun (image, answer) -> {
            Image = image
            Label = answer.Label
            Guess = answer.Guess
            Confidence = answer.Confidence
        })

    /// What answers, in the order of their images, come to among so many classes.
    let ofAnswers classes (metrics: Metrics) (answers: Answer array) : Diagnosis =
        let confusions, bins = confusions answers, binned answers

        {
            Metrics = metrics
            Classes = classResults classes confusions
            Confusions = confusions
            Bins = bins
            MeanConfidence = (answers |> Array.sumBy _.Confidence) / float answers.Length
            CalibrationError = calibrationError answers.Length bins
            Mistakes = mistakes answers
        }

    /// The answers of a function from images to logits to a whole set, in one pass that measures its loss as well.
    let measure objective (forward: Tensor -> Tensor) (feed: Feed) : Diagnosis =
        let given = ResizeArray<Answer>()

        let metrics =
            feed |> Loop.measure objective forward (fun logits labels -> given.AddRange(answers logits labels))

        ofAnswers feed.Data.Classes.Length metrics (given.ToArray())
