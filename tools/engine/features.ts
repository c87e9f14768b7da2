/**
 * Optional features of the language that a program contains. It is linked with those that its code names, and the
 * linker leaves out the rest, above all Unicode tables. Literal regular expressions are compiled together with the
 * bytecode.
 */

interface Feature {
  /** The function in quickjs.h that adds the feature to a context. */
  readonly adds: string;
  readonly named: RegExp;
}

const features: readonly Feature[] = [
  { adds: "JS_AddIntrinsicRegExpCompiler", named: /\bRegExp\(/ },
  { adds: "JS_AddIntrinsicStringNormalize", named: /\.normalize\(/ },
  { adds: "JS_AddIntrinsicProxy", named: /\bProxy(?:\(|\.revocable\()/ },
  { adds: "JS_AddIntrinsicWeakRef", named: /\b(?:WeakRef|FinalizationRegistry)\(/ },
];

/** Returns names of C functions. */
export function featuresOf(texts: readonly string[]): string[] {
  return features.filter(({ named }) => texts.some((text) => named.test(text))).map(({ adds }) => adds);
}
