/** A few views of one page; the address keeps which one is open. */
export const Tabs = <T extends string>({
  label,
  tabs,
  open,
  onOpen,
}: {
  readonly label: string;
  readonly tabs: readonly (readonly [T, string])[];
  readonly open: T;
  readonly onOpen: (tab: T) => void;
}) => (
  <fieldset class="tabs" aria-label={label}>
    {tabs.map(([tab, name]) => (
      <button key={tab} type="button" aria-pressed={tab === open} onClick={() => onOpen(tab)}>
        {name}
      </button>
    ))}
  </fieldset>
);
