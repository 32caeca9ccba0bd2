export type TrailFaultCode =
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
  /** The first row concerned, where one can be named. */
  readonly seq: number | null;
};

export type TrailGap = { readonly from: number; readonly to: number };

const NAMED = 100;

/** What is wrong, in the order it was found; of very many the first are named and the rest counted. */
export class TrailFindings {
  readonly faults: TrailFault[] = [];
  readonly gaps: TrailGap[] = [];
  faultCount = 0;
  checked = 0;

  add(code: TrailFaultCode, seq: number | null, message: string): void {
    this.faultCount += 1;
    if (this.faults.length < NAMED) this.faults.push({ code, message, seq });
    else if (seq !== null && seq < (this.firstBadSeq() ?? seq)) this.faults[NAMED - 1] = { code, message, seq };
  }

  /** A row that is not there; neighbours make one gap. */
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

/** A place where the row's leaf is not the tile's; hashes in hex. */
export type DifferingPlace = { readonly seq: number; readonly row: string | null; readonly tile: string | null };

/** Says what happened to rows, the tiles being what was signed. Missing ones are gaps already. */
export function nameRows(
  places: readonly DifferingPlace[],
  contradicting: ReadonlySet<number>,
  findings: TrailFindings,
): void {
  const byTile = new Map(places.flatMap((place) => (place.tile === null ? [] : [[place.tile, place] as const])));
  const named = new Set<number>();
  for (const place of places) {
    const { seq, row, tile } = place;
    if (row === null) continue;
    named.add(seq);
    const from = byTile.get(row);
    if (from && from.row === tile) {
      if (from.seq > seq) findings.add('row_swapped', seq, `events ${seq} and ${from.seq} are swapped`);
    } else if (from) findings.add('row_moved', seq, `event ${seq} holds what was sealed as ${from.seq}`);
    else findings.add('row_edited', seq, `event ${seq} is not what was sealed`);
  }
  for (const seq of contradicting)
    if (!named.has(seq))
      findings.add('row_edited', seq, `the columns of event ${seq} do not say what its sealed bytes say`);
}
