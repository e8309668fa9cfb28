module Hybrid.Tests.Face.DocumentationTests

open System
open System.IO
open System.Reflection
open System.Runtime.CompilerServices
open System.Text.RegularExpressions
open System.Xml.Linq
open Expecto
open FSharp.Reflection
open Hybrid

let private core = typeof<Net>.Assembly

/// A member's name in the compiler's file of doc comments, without its parameters.
let private bare (name: string) = Regex.Replace(name.Split('(')[0], "`+[0-9]+$", "")

/// Members with a doc comment that says something.
let private documented =
    let file = Path.ChangeExtension(core.Location, ".xml")

    XDocument.Load(file).Descendants(XName.Get "member")
    |> Seq.filter (fun entry -> entry.Value.Trim() <> "")
    |> Seq.map (fun entry -> bare (entry.Attribute(XName.Get "name").Value))
    |> set

let private isWritten (it: MemberInfo) =
    not (it.IsDefined(typeof<CompilerGeneratedAttribute>, false)) && not (it.Name.Contains '@')

let private declared =
    BindingFlags.Public ||| BindingFlags.Static ||| BindingFlags.Instance ||| BindingFlags.DeclaredOnly

/// Where a type and a module have one name, the type's comment stands for both.
let private isCompanion (it: Type) =
    it.Name.EndsWith "Module"
    && core.GetTypes()
       |> Array.exists (fun other -> other.FullName = it.FullName[.. it.FullName.Length - 7])

/// A case of a union, which explains itself or has its comment at the case.
let private isCase (it: Type) = it.DeclaringType <> null && (FSharpType.IsUnion it.DeclaringType || it.Name = "Tags")

let private membersOf (it: Type) =
    let name = it.FullName.Replace('+', '.')

    // The names of fields and cases are read with the comment of their type.
    let fields =
        if FSharpType.IsRecord it then
            FSharpType.GetRecordFields it |> Array.map _.Name |> set
        else
            Set.empty

    [
        if not (isCompanion it) then
            bare $"T:{name}"

        for m in it.GetMethods declared do
            let isOwn = m.GetBaseDefinition() = m && not (m.IsVirtual && m.IsFinal)

            if isWritten m && isOwn && not m.IsSpecialName then
                bare $"M:{name}.{m.Name}"

        for p in it.GetProperties declared do
            let ofUnion = FSharpType.IsUnion it && (p.Name = "Tag" || p.Name.StartsWith "Is")
            let getter = Option.ofObj (p.GetGetMethod())
            let isOwn = getter |> Option.exists (fun get -> isWritten get && not (get.IsVirtual && get.IsFinal))

            if isWritten p && isOwn && not ofUnion && not (fields.Contains p.Name) then
                bare $"P:{name}.{p.Name}"
    ]

let tests =
    testList "documentation" [
        test "every public type, function and property of the core has its comment" {
            let members =
                core.GetExportedTypes()
                |> Array.filter (fun it -> isWritten it && not (isCase it))
                |> List.ofArray
                |> List.collect membersOf

            Expect.isGreaterThan members.Length 300 "the surface was walked"
            Expect.equal (members |> List.filter (documented.Contains >> not) |> List.distinct) [] "without a comment"
        }
    ]
