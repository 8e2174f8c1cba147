// The sample of mpris-service's README, and of its fork; prints the events that it gets.
const { default: Player } = await import(process.argv[2]);

const player = new Player({
  name: 'nodejs',
  identity: 'Node.js media player',
  supportedUriSchemes: ['file'],
  supportedMimeTypes: ['audio/mpeg', 'application/ogg'],
  supportedInterfaces: ['player'],
});

for (const event of ['play', 'pause', 'next', 'seek', 'position', 'open', 'volume', 'shuffle']) {
  player.on(event, (data) => {
    const text = JSON.stringify(data ?? null, (_key, value) =>
      typeof value === 'bigint' ? Number(value) : value,
    );
    process.stdout.write(`${event} ${text}\n`);
  });
}
player.on('play', () => {
  player.metadata = {
    'mpris:trackid': player.objectPath('track/0'),
    'mpris:length': 60 * 1000 * 1000,
    'xesam:title': 'Best song',
    'xesam:artist': ['Best singer'],
  };
  player.playbackStatus = 'Playing';
});
player.on('quit', () => process.exit());
