const PATHS = {
  overview: 'M3 12h4l3-8 4 16 3-8h4',
  people:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-6 9c.6-3.4 2.9-5 6-5s5.4 1.6 6 5M16 4.4a3.5 3.5 0 0 1 0 6.2M17.5 15.3c1.9.6 3.1 2.1 3.5 4.7',
  sessions: 'M4 5h16v11H4zM9 20h6M12 16v4',
  token: 'M12 3 4 6v6c0 4.5 3.2 7.6 8 9 4.8-1.4 8-4.5 8-9V6zM9 12l2 2 4-4',
  clients: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13v7M13 16.5h7',
  apiKeys: 'M14 10a4 4 0 1 0-3.6 4L12 15.5h2V18h2.5v2H20v-3.4l-6.2-6.2',
  applications: 'M4 7l8-4 8 4v10l-8 4-8-4zM4 7l8 4 8-4M12 11v10',
  roles: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM5 20c.7-3.8 3.4-5.5 7-5.5s6.3 1.7 7 5.5',
  keys: 'M4 18 13 9M9.5 12.5l2 2M7 15l2 2M16.5 10.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z',
  audit: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7',
  queues: 'M4 6h16M4 12h16M4 18h10',
  incidents: 'M12 4 2.5 20h19zM12 10v4.5M12 17.2v.3',
  alerts: 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4',
  compliance: 'M5 4h14v16H5zM8.5 9l1.5 1.5L13 8M8.5 15l1.5 1.5L13 14M15.5 9.5h1M15.5 15.5h1',
  agents: 'M7 9h10v9H7zM12 5v4M9.5 13v1M14.5 13v1M4 12v3M20 12v3',
  signoffs: 'M6 3h12v11H6zM9 8.5l2 2 4-4M4 20h16',
  imports: 'M12 3v11M8 10.5l4 4 4-4M4 17v3h16v-3',
  stream: 'M4 12a8 8 0 0 1 8-8M4 12a8 8 0 0 0 8 8M8 12a4 4 0 0 1 4-4M12 12h.1M20 12h-3',
  signals: 'M12 13v7M12 11.5v.1M8 15a5 5 0 0 1 0-7M16 8a5 5 0 0 1 0 7M5 18A9.5 9.5 0 0 1 5 5M19 5a9.5 9.5 0 0 1 0 13',
  list: 'M8 6h12M8 12h12M8 18h12M4 6h.1M4 12h.1M4 18h.1',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM20 20l-4.8-4.8',
  menu: 'M4 7h16M4 12h16M4 17h16',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12.5 10 17l9-10',
  close: 'M6 6l12 12M18 6 6 18',
  chevron: 'M9 5l7 7-7 7',
  out: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
  keyboard: 'M3 6h18v12H3zM7 10h.1M11 10h.1M15 10h.1M8 14h8',
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration: the text beside it says the same. */
export const Icon = ({ name }: { readonly name: IconName }) => (
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    <path d={PATHS[name]} />
  </svg>
);
