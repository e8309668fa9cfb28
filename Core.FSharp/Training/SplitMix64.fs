namespace Hybrid

/// Random numbers as a function of a state. Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
/// OOPSLA 2014.
[<AbstractClass; Sealed>]
type SplitMix64 =

    /// What a state moves by from one number to the next: 2^64 over the golden ratio.
    static member Golden: uint64 = 0x9E3779B97F4A7C15UL

    /// 64 random bits from a state.
    static member Mix(state: uint64) : uint64 =
        let x = (state ^^^ (state >>> 30)) * 0xBF58476D1CE4E5B9UL
        let x = (x ^^^ (x >>> 27)) * 0x94D049BB133111EBUL
        x ^^^ (x >>> 31)
