import"./chunk-46LBFJV7.js";import"./chunk-3HWNKRVO.js";import"./chunk-IXV5HACN.js";import"./chunk-BAJB35LU.js";import"./chunk-WJ2YJC7T.js";import"./chunk-4L5RI3VG.js";
