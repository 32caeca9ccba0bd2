import { useState } from 'preact/hooks';
import { download } from '../data/api.ts';
import { Icon } from './icons.tsx';
import { useWhy } from './states.tsx';

/** A button that loads a file of the API and hands it to the user. */
export function DownloadButton({
  path,
  name,
  label,
  accept,
  children,
}: {
  readonly path: `/v1/${string}`;
  readonly name: string;
  /** For screen readers, where the text of the button does not say which file. */
  readonly label: string;
  /** The form of it, where the address has several. */
  readonly accept?: string;
  readonly children: string;
}) {
  const why = useWhy();
  const [isLoading, setLoading] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const load = async (): Promise<void> => {
    setLoading(true);
    setError(undefined);
    try {
      await download(path, name, accept);
    } catch (err) {
      setError(err);
    } finally {
      setLoading(false);
    }
  };
  return (
    <>
      <button type="button" class="quiet small" disabled={isLoading} aria-label={label} onClick={() => void load()}>
        <Icon name="imports" />
        <span>{children}</span>
      </button>
      {error === undefined ? null : (
        <span class="bad small" role="alert">
          {why(error)}
        </span>
      )}
    </>
  );
}
