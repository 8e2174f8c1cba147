// What the service of these tests offers: service.mjs implements it, the tests call it.
export const SERVICE = 'org.example.Service';
export const PATH = '/org/example/Service';

export const Service = {
  name: SERVICE,
  methods: {
    Echo: { in: 's', out: 's' },
    Bytes: { in: 'ay', out: 'ay' },
    Variant: { in: 'v', out: 'v' },
    Pair: { in: 'su', out: 'us' },
    Later: { in: 's', out: 's' },
    Wrong: { in: '', out: 'u' },
    Fail: { in: 'ss', out: '' },
    Crash: { in: '', out: '' },
    Die: { in: '', out: '' },
    Sender: { in: '', out: 's' },
    Process: { in: '', out: 'uu' },
    /** is never answered; WhenAborted is, with the reason, when the caller does not wait any more */
    Hang: { in: '', out: '' },
    WhenAborted: { in: '', out: 's' },
    Note: { in: 's', out: '' },
    Notes: { in: '', out: 'as' },
    Keep: { in: 'o', out: '' },
    CallKept: { in: 's', out: 's' },
    CallKeptSync: { in: 's', out: 's' },
    ReturnKept: { in: '', out: 'o' },
    DropKept: { in: '', out: '' },
    WhenKeptIsLost: { in: '', out: 'u' },
    Nested: { in: 'a{s(ov)}', out: 'ao' },
    Make: { in: 's', out: 'o' },
    End: { in: '', out: '' },
    /** the last object that was made sends Heard */
    EmitMade: { in: 's', out: '' },
    Read: { in: 'h', out: 's' },
    Open: { in: 's', out: 'h' },
    OpenDescriptors: { in: '', out: 'u' },
    SignalKept: { in: 's', out: '' },
    Emit: { in: 's', out: '' },
    RequestName: { in: 'sb', out: 'u' },
    Offer: { in: 's', out: 'u' },
    ReleaseName: { in: 's', out: 'u' },
    CollectGarbage: { in: '', out: '' },
  },
  signals: { Said: { args: 's' } },
  properties: {
    Level: { type: 'u', access: 'readwrite' },
    Title: { type: 's', access: 'read' },
    Secret: { type: 's', access: 'write' },
    Cache: { type: 's', access: 'readwrite', emitsChanged: 'invalidates' },
  },
};

export const Listener = {
  name: 'org.example.Listener',
  methods: { Echo: { in: 's', out: 's' } },
  signals: { Heard: { args: 's' } },
  properties: {},
};
