/**
 * What a program has of the language beyond what all have. It is linked with what its code names, and the linker leaves the
 * rest out, tables of Unicode above all. Literals of regular expressions are compiled where bytecode is made.
 */

interface Feature {
  /** As quickjs.h calls what adds it to a context. */
  readonly adds: string;
  readonly named: RegExp;
}

const features: readonly Feature[] = [
  { adds: "JS_AddIntrinsicRegExpCompiler", named: /\bRegExp\(/ },
  { adds: "JS_AddIntrinsicStringNormalize", named: /\.normalize\(/ },
  { adds: "JS_AddIntrinsicProxy", named: /\bProxy(?:\(|\.revocable\()/ },
  { adds: "JS_AddIntrinsicWeakRef", named: /\b(?:WeakRef|FinalizationRegistry)\(/ },
];

/** Names of C functions. */
export function featuresOf(texts: readonly string[]): string[] {
  return features.filter(({ named }) => texts.some((text) => named.test(text))).map(({ adds }) => adds);
}
