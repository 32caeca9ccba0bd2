/** A child that crashed this often before all were ready is given up. */
const START_ATTEMPTS = 5;

export type ChildState = { readonly name: string; readonly isReady: boolean; readonly failures: number };

type Watched = {
  readonly isReady: boolean;
  /** All are ready, and were not at the previous check. */
  readonly isNews: boolean;
  /** Crashes repeatedly in a start that was never ready. */
  readonly hopeless: ChildState | undefined;
};

/** Evaluates the readiness of all children together, check by check. */
export type Readiness = {
  look(children: readonly ChildState[]): Watched;
  /** All were ready at some time. */
  wasReached(): boolean;
};

export function createReadiness(): Readiness {
  let wasReached = false;
  let isAtLastLook = false;
  return {
    look(children) {
      const isReady = children.length > 0 && children.every((child) => child.isReady);
      const hopeless = wasReached ? undefined : children.find((child) => child.failures >= START_ATTEMPTS);
      const isNews = isReady && !isAtLastLook;
      isAtLastLook = isReady;
      wasReached ||= isReady;
      return { isReady, isNews, hopeless };
    },
    wasReached: () => wasReached,
  };
}
