declare module '@bcoe/v8-coverage' {
  /** V8's coverage of one script (the inspector's Profiler.ScriptCoverage). */
  export type ScriptCov = {
    readonly scriptId: string;
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly isBlockCoverage: boolean;
      readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
    }[];
  };
  /** One coverage whose counts are the sums; undefined of none. */
  export function mergeScriptCovs(scripts: readonly ScriptCov[]): ScriptCov | undefined;
}
