namespace Hybrid

open TorchSharp

/// A split that keeps each class's share. What PyTorch's `random_split` leaves to chance is too much for a small set, of
/// which a rare class may fall on one side alone.
[<RequireQualifiedAccess>]
module Stratified =

    /// How many of each class are held back, where there are so many of each and `held` of all: in proportion, rounded by
    /// the largest remainders. A class keeps one image to train on for as long as another has one to give.
    let shares (counts: int array) held : int array =
        let all = int64 (Array.sum counts)
        let exact = counts |> Array.map (fun count -> int64 count * int64 held)
        let shares = exact |> Array.map (fun it -> int (it / max all 1L))

        let order =
            [| 0 .. counts.Length - 1 |] |> Array.sortBy (fun place -> -(exact[place] % max all 1L), place)

        // Rounded down, so that at most one is missing of each class; more only where classes can give none.
        let fill (room: int -> bool) =
            let mutable given = true

            while given && Array.sum shares < held do
                given <- false

                for place in order do
                    if Array.sum shares < held && room place then
                        shares[place] <- shares[place] + 1
                        given <- true

        counts |> Array.iteri (fun place count -> shares[place] <- min shares[place] (max 0 (count - 1)))

        fill (fun place -> shares[place] < counts[place] - 1)
        fill (fun place -> shares[place] < counts[place])
        shares

    /// Places of the training and of the validation images, drawn as `Dataset.splitPlaces` draws them: one order of all
    /// images, of which each class gives its last ones.
    let places (seed: int64) (labels: int64 array) classes held : int64 array * int64 array =
        use generator = new torch.Generator(uint64 seed, torch.CPU)
        use order = torch.randperm (labels.LongLength, generator = generator)
        let order = order.data<int64>().ToArray()
        let counts = Array.zeroCreate classes
        labels |> Array.iter (fun label -> counts[int label] <- counts[int label] + 1)
        let left = shares counts held
        let isHeld = Array.zeroCreate labels.Length

        for place in Array.rev order do
            let label = int labels[int place]

            if left[label] > 0 then
                left[label] <- left[label] - 1
                isHeld[int place] <- true

        order |> Array.partition (fun place -> not isHeld[int place])

    /// Training and validation images; the validation part may be empty.
    let split seed held (data: Dataset) : Dataset * Dataset =
        if held = 0 then
            Dataset.take data.Count data, Dataset.take 0 data
        else
            let training, validation = places seed (data.Labels.data<int64>().ToArray()) data.Classes.Length held
            use training = torch.tensor training
            use validation = torch.tensor validation
            Dataset.select training data, Dataset.select validation data
