internal import Glibc

/// How the samples of a resized picture are mixed from those of the original, by Pillow's names.
///
/// All but ``nearest`` widen as the picture shrinks, so that every sample counts (antialiasing).
package enum ResizeFilter: String, Hashable, Sendable, CaseIterable {
    /// The mean of the samples that an output covers.
    case box
    /// A triangle.
    case bilinear
    /// A raised cosine on a sinc, as sharp as ``bicubic`` and as cheap as ``bilinear``.
    case hamming
    /// Keys's cubic with a = -1/2.
    case bicubic
    /// A sinc of three lobes.
    case lanczos
    /// The sample under the output's centre, and no other.
    case nearest

    /// How far from an output's centre its inputs lie at most, when nothing is shrunk.
    var support: Double {
        switch self {
        case .nearest, .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight of an input at that distance, before all weights of an output are scaled to one.
    func weight(at distance: Double) -> Double {
        let x = abs(distance)
        switch self {
        case .nearest, .box: return distance > -0.5 && distance <= 0.5 ? 1 : 0
        case .bilinear: return max(0, 1 - x)
        case .hamming:
            guard x > 0 else { return 1 }
            return x < 1 ? Self.sinc(x) * (Self.mean + Self.swing * cos(x * .pi)) : 0
        case .bicubic:
            if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0
        case .lanczos:
            return distance >= -3 && distance < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
        }
    }

    /// Hamming's window, which Pillow holds in single precision.
    private static let mean = Double(0.54 as Float)
    private static let swing = Double(0.46 as Float)

    private static func sinc(_ x: Double) -> Double {
        x == 0 ? 1 : sin(x * .pi) / (x * .pi)
    }
}
