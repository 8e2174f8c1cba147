// node-ble's tests have decorators of the proposal of 2018, as its own set-up of Babel has them.
const { default: babelJest } = require('babel-jest');

module.exports = babelJest.createTransformer({
  babelrc: false,
  configFile: false,
  plugins: [
    ['@babel/plugin-proposal-decorators', { version: '2018-09', decoratorsBeforeExport: true }],
    '@babel/plugin-proposal-class-properties',
  ],
});
