type TrailFaultCode =
  | 'row_edited'
  | 'row_swapped'
  | 'row_moved'
  | 'row_added'
  | 'tile_damaged'
  | 'root_mismatch'
  | 'checkpoint_forged'
  | 'log_forked'
  | 'log_truncated'
  | 'log_forged_continuation'
  | 'log_behind_mark'
  | 'log_beside_mark';

export type TrailFault = {
  readonly code: TrailFaultCode;
  readonly message: string;
  /** The first row concerned; null if unknown. */
  readonly seq: number | null;
};

export type TrailGap = { readonly from: number; readonly to: number };

const FAULTS_LISTED = 100;

/** Faults and gaps in the order they were found. Lists the first hundred faults and counts all. */
export class TrailFindings {
  readonly faults: TrailFault[] = [];
  readonly gaps: TrailGap[] = [];
  faultCount = 0;
  checked = 0;

  add(code: TrailFaultCode, seq: number | null, message: string): void {
    this.faultCount += 1;
    if (this.faults.length < FAULTS_LISTED) this.faults.push({ code, message, seq });
    else if (seq !== null && seq < (this.firstBadSeq() ?? seq)) this.faults[FAULTS_LISTED - 1] = { code, message, seq };
  }

  /** Adds a missing row. Adjacent missing rows are one gap. */
  missing(seq: number): void {
    const last = this.gaps.at(-1);
    if (last && last.to === seq - 1) this.gaps[this.gaps.length - 1] = { from: last.from, to: seq };
    else this.gaps.push({ from: seq, to: seq });
  }

  firstBadSeq(): number | null {
    const seqs = [...this.faults.flatMap(({ seq }) => seq ?? []), ...this.gaps.map(({ from }) => from)];
    return seqs.length === 0 ? null : Math.min(...seqs);
  }
}

/** A leaf whose row and tile have different hashes, in hex. Null: the row or the tile is missing. */
export type DifferingLeaf = { readonly seq: number; readonly row: string | null; readonly tile: string | null };

/** Adds a fault for each wrong row: edited, swapped or moved, compared with the tiles. Missing rows are gaps already. */
export function addRowFaults(
  leaves: readonly DifferingLeaf[],
  contradicting: ReadonlySet<number>,
  findings: TrailFindings,
): void {
  const byTile = new Map(leaves.flatMap((leaf) => (leaf.tile === null ? [] : [[leaf.tile, leaf] as const])));
  const named = new Set<number>();
  for (const { seq, row, tile } of leaves) {
    if (row === null) continue;
    named.add(seq);
    const from = byTile.get(row);
    if (from && from.row === tile) {
      if (from.seq > seq) findings.add('row_swapped', seq, `events ${seq} and ${from.seq} are swapped`);
    } else if (from)
      findings.add('row_moved', seq, `event ${seq} has the content that was sealed as event ${from.seq}`);
    else findings.add('row_edited', seq, `event ${seq} differs from what was sealed`);
  }
  for (const seq of contradicting)
    if (!named.has(seq)) findings.add('row_edited', seq, `the columns of event ${seq} differ from its sealed bytes`);
}
