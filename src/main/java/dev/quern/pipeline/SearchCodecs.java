package dev.quern.pipeline;

import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.SearchCodec;
import java.util.Optional;

/** Codecs of the search method. */
final class SearchCodecs {
    private SearchCodecs() {}

    /** Empty for types whose codes are no numbers of their own. */
    static Optional<BlockCodec> create(QuantType type) {
        return CodeForm.of(type).map(form -> new SearchCodec(form, Codecs.decoder(type)));
    }
}
