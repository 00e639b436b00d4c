package dev.quern;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.quern.checkpoint.Hostile;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;

/**
 * The catalogue of hostile input: which test holds each case. Z is the zip around a pickle, P the pickle, L the format
 * before PyTorch 1.6, S safetensors, G GGUF, T tokenizers, indexes, templates and configurations. Their classes read
 * through {@link Hostile}, which bounds memory and time. A case that nothing reads says so in place of a test. W is what
 * happens to files while they are written: W1 to W3 faults at every operation (once, lasting, short writes), W4 to W6 full
 * disks, limits and devices, W7 to W9 forces and moves that fail, W10 and W11 signals, W12 power cuts, W13 the old file, W14
 * to W17 outputs that are inputs, not to be written, left behind or shared, W18 and W19 journals and sources that are no
 * longer what they were, W20 sets of parts, W21 and W22 equal bytes anywhere, W23 a flipped bit against a manifest, W24 what
 * a partial file begins with, W25 space, W26 what is there already, W27 other readers.
 */
class HostileInputCatalogueTest {
    private static final List<Section> SECTIONS = List.of(
            new Section("Z", 40),
            new Section("P", 81),
            new Section("L", 20),
            new Section("S", 57),
            new Section("G", 60),
            new Section("T", 33),
            new Section("W", 27));

    private record Section(String letter, int cases) {}

    /** In the table, before the reason why a case cannot come up. */
    private static final String NO_READER = "-";

    /** Whole commands: they start threads, whose memory is not one thread's. */
    private static final List<String> NOT_BOUNDED = List.of("cli.VerifyTest");

    private static final String TABLE = """
        Z1 checkpoint.torch.ZipTest.damagedWeights checkpoint.torch.ZipTest.damagedPickle
        Z2 checkpoint.torch.ZipTest.checksumsLeftOut
        Z3 checkpoint.torch.ZipTest.checksumsLeftOut
        Z4 checkpoint.torch.ZipTest.bytesBeforeTheZip
        Z5 checkpoint.torch.ZipTest.bytesAfterTheZip
        Z6 checkpoint.torch.ZipTest.severalZips
        Z7 checkpoint.torch.ZipTest.truncatedAnywhere
        Z8 checkpoint.torch.ZipTest.truncatedAnywhere
        Z9 checkpoint.torch.ZipTest.localNameThatDiffers
        Z10 checkpoint.torch.ZipTest.flagsThatHideTheData
        Z11 checkpoint.torch.ZipTest.flagsThatDiffer
        Z12 checkpoint.torch.ZipTest.flagsThatHideTheData
        Z13 checkpoint.torch.ZipTest.membersTwice
        Z14 checkpoint.torch.ZipTest.membersTwice
        Z15 checkpoint.torch.ZipTest.membersTwice
        Z16 checkpoint.torch.ZipTest.folders
        Z17 checkpoint.torch.ZipTest.folders
        Z18 checkpoint.torch.ZipTest.namesThatLeadElsewhere checkpoint.torch.PickleTest.storageKeyThatIsNoNumber
        Z19 checkpoint.torch.ZipTest.namesThatLeadElsewhere checkpoint.torch.ZipTest.nameWithNul
        Z20 checkpoint.torch.ZipTest.symbolicLink
        Z21 checkpoint.torch.ZipTest.overlap
        Z22 checkpoint.torch.ZipTest.rangesBeyondTheirPlace
        Z23 checkpoint.torch.ZipTest.rangesBeyondTheirPlace
        Z24 checkpoint.torch.ZipTest.descriptorThatDisagrees
        Z25 checkpoint.torch.ZipTest.compressedWeights
        Z26 checkpoint.torch.ZipTest.pickleThatInflatesWithoutEnd checkpoint.torch.ZipTest.pickleThatInflatesToMoreThanItSays
        Z27 checkpoint.torch.ZipTest.otherMethods
        Z28 checkpoint.torch.ZipTest.countsThatDiffer
        Z29 checkpoint.torch.ZipTest.zip64ThatDisagrees
        Z30 checkpoint.torch.ZipTest.severalDisks
        Z31 checkpoint.torch.ZipTest.versions
        Z32 checkpoint.torch.ZipTest.byteOrders checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        Z33 checkpoint.torch.ZipTest.otherKindsOfZip
        Z34 checkpoint.torch.PickleTest.storageThatIsNotThere
        Z35 checkpoint.torch.PickleTest.elementCountThatIsNotTheRecords
        Z36 checkpoint.torch.PickleTest.elementCountThatIsNotTheRecords
        Z37 checkpoint.torch.ZipTest.membersThatNoTensorRefersTo
        Z38 checkpoint.torch.ZipTest.moreMembersThanAnyModel
        Z39 checkpoint.torch.ZipTest.whatTorchWritesIsRead checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        Z40 checkpoint.torch.TorchFixturesTest.notesWhatIsOddButNotWrong
        P1 checkpoint.torch.PickleTest.viewBeyondItsStorage
        P2 checkpoint.torch.PickleTest.offsetBeyondTheStorage
        P3 checkpoint.torch.PickleTest.negativeOffset
        P4 checkpoint.torch.PickleTest.negativeStride
        P5 checkpoint.torch.PickleTest.negativeSize
        P6 checkpoint.torch.PickleTest.sizesThatOverflow
        P7 checkpoint.torch.PickleTest.expansionToTwoToTheForty
        P8 checkpoint.torch.PickleTest.ranksThatDiffer
        P9 checkpoint.torch.PickleTest.emptyTensorBeyondTheStorage
        P10 checkpoint.torch.PickleTest.elementCountBeyondAnything
        P11 checkpoint.torch.PickleTest.elementCountBeyondAnything
        P12 checkpoint.torch.PickleTest.elementCountThatIsNotTheRecords
        P13 checkpoint.torch.PickleTest.elementCountThatIsNotTheRecords
        P14 checkpoint.torch.PickleTest.oneKeyWithTwoTypes
        P15 checkpoint.torch.PickleTest.oneKeyWithTwoElementCounts
        P16 checkpoint.torch.PickleTest.overlappingStridesAreAView
        P17 checkpoint.torch.PickleTest.thousandDimensions
        P18 checkpoint.torch.PickleTest.settingAnItemOfATensor
        P19 checkpoint.torch.PickleTest.appendingToADict
        P20 checkpoint.torch.PickleTest.namesThatRunThings
        P21 checkpoint.torch.PickleTest.namesThatRunThings
        P22 checkpoint.torch.PickleTest.namesThatRunThings
        P23 checkpoint.torch.PickleTest.stackGlobal
        P24 checkpoint.torch.PickleTest.stackGlobal
        P25 checkpoint.torch.PickleTest.opcodesThatTorchNeverWrites
        P26 checkpoint.torch.PickleTest.opcodesThatTorchNeverWrites
        P27 checkpoint.torch.PickleTest.opcodesThatTorchNeverWrites
        P28 checkpoint.torch.PickleTest.opcodesThatTorchNeverWrites
        P29 checkpoint.torch.PickleTest.persistentIdThatIsNoTuple
        P30 checkpoint.torch.PickleTest.persistentIdOfAModule
        P31 checkpoint.torch.PickleTest.persistentIdOfAnotherLength
        P32 checkpoint.torch.PickleTest.storageKeyThatIsNoNumber
        P33 checkpoint.torch.PickleTest.memoThatIsNotThere
        P34 checkpoint.torch.PickleTest.stackUnderflow
        P35 checkpoint.torch.PickleTest.markLeftOpen
        P36 checkpoint.torch.PickleTest.noStop
        P37 checkpoint.torch.PickleTest.bytesAfterStop
        P38 checkpoint.torch.PickleTest.protocols
        P39 checkpoint.torch.PickleTest.textLongerThanTheFile
        P40 checkpoint.torch.PickleTest.textLongerThanTheFile
        P41 checkpoint.torch.PickleTest.longIntegers
        P42 checkpoint.torch.PickleTest.memoIndexBeyondReason
        P43 checkpoint.torch.PickleTest.keyWithoutValue
        P44 checkpoint.torch.PickleTest.keyTwice
        P45 checkpoint.torch.PickleTest.keyThatCannotBeHashed
        P46 checkpoint.torch.PickleTest.containersThatHoldThemselves
        P47 checkpoint.torch.PickleTest.nestedTuples
        P48 checkpoint.torch.PickleTest.manyMarks
        P49 checkpoint.torch.PickleTest.manyPushes
        P50 checkpoint.torch.PickleTest.listsThatDouble
        P51 checkpoint.torch.PickleTest.tuplesThatDoubleAsAKey
        P52 checkpoint.torch.PickleTest.textThatIsNoText
        P53 checkpoint.torch.PickleTest.textThatIsNoText
        P54 checkpoint.torch.PickleTest.attributesOfAnOrderedDictAreDropped
        P55 checkpoint.torch.PickleTest.callsWithOtherArguments
        P56 checkpoint.torch.PickleTest.newObjects
        P57 checkpoint.torch.PickleTest.stateOfATensor
        P58 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P59 checkpoint.torch.PickleTest.elementCountThatIsNoInteger
        P60 checkpoint.torch.PickleTest.storageOfNoClass
        P61 checkpoint.torch.PickleTest.frames
        P62 checkpoint.torch.PickleTest.codecsOtherThanLatin1
        P63 checkpoint.torch.PickleTest.bytesOutOfNothing
        P64 checkpoint.torch.PickleTest.locationIsNotUsed
        P65 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P66 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P67 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P68 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P69 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P70 checkpoint.torch.PickleTest.tensorSubclass
        P71 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P72 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P73 checkpoint.torch.TorchFixturesTest.refusesWhatIsNoCheckpoint
        P74 checkpoint.torch.PickleTest.frozenSetsAreInertAndSlicesAreRefused
        P75 checkpoint.torch.PickleTest.namesOfForeignObjects
        P76 checkpoint.torch.PickleTest.newerTypesNeedAnUntypedStorage checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        P77 checkpoint.torch.PickleTest.protocols checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        P78 checkpoint.torch.PickleTest.pythonTwosTexts
        P79 checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        P80 checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        P81 checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        L1 checkpoint.torch.LegacyTest.l1OtherMagicNumber
        L2 checkpoint.torch.LegacyTest.l2OtherProtocolVersion
        L3 checkpoint.torch.LegacyTest.l3MagicNumberThatIsComputed
        L4 checkpoint.torch.LegacyTest.l4BigEndianMachine
        L5 checkpoint.torch.LegacyTest.l5CountAboveThePickles
        L6 checkpoint.torch.LegacyTest.l6CountBelowThePickles
        L7 checkpoint.torch.LegacyTest.l7CountOfMinusOne
        L8 checkpoint.torch.LegacyTest.l8CountOf2To60
        L9 checkpoint.torch.LegacyTest.l9DataCutShort
        L10 checkpoint.torch.LegacyTest.l10KeyMissingFromTheList
        L11 checkpoint.torch.LegacyTest.l11KeyThatNoTensorRefersTo
        L12 checkpoint.torch.LegacyTest.l12KeyTwice
        L13 checkpoint.torch.LegacyTest.l13BytesBehindTheLastStorage
        L14 checkpoint.torch.LegacyTest.l14ViewOutsideItsStorage
        L15 checkpoint.torch.LegacyTest.l15ViewIntoItsStorage
        L16 checkpoint.torch.LegacyTest.l16StorageOf2To50
        L17 checkpoint.torch.LegacyTest.l17Tar
        L18 checkpoint.torch.LegacyTest.l18BarePickleOfADict
        L19 checkpoint.torch.LegacyTest.l19KeysInAnyOrder
        L20 checkpoint.torch.LegacyTest.l20UntypedStorage checkpoint.torch.TorchFixturesTest.readsWhatTorchReads
        S1 checkpoint.safetensors.SafetensorsTest.tooShortForALength
        S2 checkpoint.safetensors.SafetensorsTest.tooShortForALength
        S3 checkpoint.safetensors.SafetensorsTest.emptyHeader
        S4 checkpoint.safetensors.SafetensorsTest.lengthBeyondTheFile
        S5 checkpoint.safetensors.SafetensorsTest.lengthBeyondTheFile
        S6 checkpoint.safetensors.SafetensorsTest.lengthBeyondTheLimit
        S7 checkpoint.safetensors.SafetensorsTest.lengthBeyondTheLimit
        S8 checkpoint.safetensors.SafetensorsTest.notUtf8
        S9 checkpoint.safetensors.SafetensorsTest.notJson
        S10 checkpoint.safetensors.SafetensorsTest.notAnObject
        S11 checkpoint.safetensors.SafetensorsTest.secondDocument
        S12 checkpoint.safetensors.SafetensorsTest.whitespaceAroundTheHeader
        S13 checkpoint.safetensors.SafetensorsTest.whitespaceAroundTheHeader
        S14 checkpoint.safetensors.SafetensorsTest.notJson
        S15 checkpoint.safetensors.SafetensorsTest.notJson
        S16 checkpoint.safetensors.SafetensorsTest.bytesThatBelongToNoTensor
        S17 checkpoint.safetensors.SafetensorsTest.truncatedAnywhere
        S18 checkpoint.safetensors.SafetensorsTest.holes
        S19 checkpoint.safetensors.SafetensorsTest.holes
        S20 checkpoint.safetensors.SafetensorsTest.overlaps
        S21 checkpoint.safetensors.SafetensorsTest.overlaps
        S22 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S23 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S24 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S25 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S26 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S27 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S28 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S29 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S30 checkpoint.safetensors.SafetensorsTest.nameTwice
        S31 checkpoint.safetensors.SafetensorsTest.nameTwice
        S32 checkpoint.safetensors.SafetensorsTest.nameTwice
        S33 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S34 checkpoint.safetensors.SafetensorsTest.metadata
        S35 checkpoint.safetensors.SafetensorsTest.metadata
        S36 checkpoint.safetensors.SafetensorsTest.metadata
        S37 checkpoint.safetensors.SafetensorsTest.fieldsThatNobodyKnows
        S38 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S39 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S40 checkpoint.safetensors.SafetensorsTest.emptyTensorsTakeNoPlace
        S41 checkpoint.safetensors.SafetensorsTest.emptyTensorsTakeNoPlace
        S42 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S43 checkpoint.safetensors.SafetensorsTest.scalarsAndUnalignedTensors
        S44 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S45 checkpoint.safetensors.SafetensorsTest.typesThatAreKnownButNotRead checkpoint.safetensors.SafetensorsFixtureTest.s45EveryTypeReadsAsTorchHasIt
        S46 checkpoint.safetensors.SafetensorsTest.scalarsAndUnalignedTensors
        S47 checkpoint.safetensors.SafetensorsTest.nestedBeyondReason
        S48 checkpoint.safetensors.SafetensorsTest.namesAreNoPaths
        S49 checkpoint.safetensors.SafetensorsTest.notJson
        S50 checkpoint.safetensors.SafetensorsTest.bytesThatBelongToNoTensor
        S51 checkpoint.safetensors.SafetensorsTest.truthThatIsTwo
        S52 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S53 checkpoint.safetensors.SafetensorsTest.moreTensorsThanAnyModel
        S54 checkpoint.safetensors.SafetensorsTest.entriesThatAreWrong
        S55 checkpoint.safetensors.SafetensorsTest.bytesThatBelongToNoTensor
        S56 checkpoint.CheckpointsTest.aTensorInTwoFiles
        S57 checkpoint.safetensors.SafetensorsTest.fileThatShrinksWhileItIsRead
        G1 gguf.GgufHostileTest.isRefusedInOneLine
        G2 gguf.GgufHostileTest.isRefusedInOneLine
        G3 gguf.GgufHostileTest.isRefusedInOneLine
        G4 gguf.GgufHostileTest.isRefusedInOneLine
        G5 gguf.GgufHostileTest.isRefusedInOneLine
        G6 gguf.GgufAcceptedTest.g6Version2
        G7 gguf.GgufHostileTest.isRefusedInOneLine
        G8 gguf.BigEndianTest.g8RowsAreTheSame gguf.GgufHostileTest.isRefusedInOneLine
        G9 gguf.GgufHostileTest.isRefusedInOneLine
        G10 gguf.GgufHostileTest.isRefusedInOneLine
        G11 gguf.GgufHostileTest.isRefusedInOneLine
        G12 gguf.GgufHostileTest.everyTruncationIsRefused
        G13 gguf.GgufHostileTest.isRefusedInOneLine
        G14 gguf.GgufHostileTest.isRefusedInOneLine
        G15 gguf.GgufHostileTest.isRefusedInOneLine
        G16 gguf.GgufHostileTest.isRefusedInOneLine
        G17 gguf.GgufHostileTest.isRefusedInOneLine
        G18 gguf.GgufHostileTest.isRefusedInOneLine
        G19 gguf.GgufHostileTest.isRefusedInOneLine
        G20 gguf.GgufHostileTest.isRefusedInOneLine
        G21 gguf.GgufHostileTest.isRefusedInOneLine
        G22 gguf.GgufHostileTest.isRefusedInOneLine
        G23 gguf.GgufHostileTest.isRefusedInOneLine
        G24 gguf.GgufHostileTest.isRefusedInOneLine
        G25 gguf.GgufHostileTest.isRefusedInOneLine
        G26 gguf.GgufHostileTest.isRefusedInOneLine
        G27 gguf.GgufHostileTest.isRefusedInOneLine
        G28 gguf.GgufHostileTest.isRefusedInOneLine
        G29 gguf.GgufHostileTest.isRefusedInOneLine
        G30 gguf.GgufHostileTest.isRefusedInOneLine
        G31 gguf.GgufAcceptedTest.g31Alignment1
        G32 gguf.GgufHostileTest.isRefusedInOneLine
        G33 gguf.GgufHostileTest.isRefusedInOneLine
        G34 gguf.GgufHostileTest.isRefusedInOneLine
        G35 gguf.GgufAcceptedTest.g35ScalarG37EmptyTensor
        G36 gguf.GgufHostileTest.isRefusedInOneLine
        G37 gguf.GgufAcceptedTest.g35ScalarG37EmptyTensor
        G38 gguf.GgufHostileTest.isRefusedInOneLine
        G39 gguf.GgufHostileTest.isRefusedInOneLine
        G40 gguf.GgufHostileTest.isRefusedInOneLine
        G41 gguf.GgufHostileTest.isRefusedInOneLine
        G42 gguf.GgufHostileTest.isRefusedInOneLine
        G43 gguf.GgufHostileTest.isRefusedInOneLine
        G44 gguf.GgufHostileTest.isRefusedInOneLine
        G45 gguf.GgufHostileTest.isRefusedInOneLine
        G46 gguf.GgufHostileTest.isRefusedInOneLine
        G47 gguf.GgufHostileTest.isRefusedInOneLine
        G48 gguf.GgufHostileTest.isRefusedInOneLine
        G49 gguf.GgufHostileTest.isRefusedInOneLine
        G50 gguf.GgufAcceptedTest.g50LastTensorWithoutPadding
        G51 gguf.GgufAcceptedTest.g51TrailingBytesWithAWarning
        G52 gguf.GgufAcceptedTest.g52PaddingThatIsNotZero
        G53 gguf.GgufAcceptedTest.g53NameThatLooksLikeAPath
        G54 gguf.GgufHostileTest.isRefusedInOneLine
        G55 tokenizer.VocabularyTest.byteTokens
        G56 evaluation.RefusalsTest.metadataThatCannotBe
        G57 gguf.GgufHostileTest.isRefusedInOneLine
        G58 gguf.GgufAcceptedTest.g58TokenIdsOutsideTheVocabularyWithAWarning tokenizer.VocabularyTest.specialIds
        G59 gguf.GgufAcceptedTest.g59NotANumberKeepsItsBits
        G60 gguf.GgufHostileTest.aFileThatShrinksWhileItIsReadIsRefused
        T1 tokenizer.SentencePieceModelTest.numberOfElevenBytes
        T2 tokenizer.SentencePieceModelTest.lengthBeyondTheEnd
        T3 tokenizer.SentencePieceModelTest.group
        T4 tokenizer.SentencePieceModelTest.deepNestingIsNotFollowed
        T5 tokenizer.SentencePieceModelTest.emptyPiece
        T6 tokenizer.SentencePieceModelTest.pieceTwice
        T7 tokenizer.SentencePieceModelTest.noUnknown tokenizer.SentencePieceModelTest.twoUnknown
        T8 tokenizer.SentencePieceModelTest.bytePieceMissing
        T9 tokenizer.SentencePieceModelTest.bytePieceWithoutFallback
        T10 tokenizer.SentencePieceModelTest.characterMapTrieAsLongAsTheRest tokenizer.SentencePieceModelTest.characterMapTrieOfPartOfABlock tokenizer.SentencePieceModelTest.characterMapOffsetOutside
        T11 tokenizer.SentencePieceModelTest.scoreNotFinite
        T12 tokenizer.SentencePieceModelTest.pieceNotUtf8
        T13 tokenizer.SentencePieceModelTest.typeNine
        T14 tokenizer.SentencePieceModelTest.fiveMillionPieces
        T15 tokenizer.HuggingFaceVocabularyTest.addedTokenIds
        T16 tokenizer.HuggingFaceVocabularyTest.addedTokenIds tokenizer.HuggingFaceVocabularyTest.addedTokensDecoderIds
        T17 tokenizer.HuggingFaceVocabularyTest.addedTokenThatIsThereAlready
        T18 tokenizer.HuggingFaceVocabularyTest.rowsWithoutATokenArePadding
        T19 tokenizer.TokenizerFilesTest.merges tokenizer.TokenizerFilesTest.mergesThatAreWrong
        T20 tokenizer.HuggingFaceVocabularyTest.addedTokensDecoder
        T21 tokenizer.HuggingFaceVocabularyTest.morePiecesThanRows
        T22 tokenizer.SpecialVocabularyTest.nestedTooDeep tokenizer.SpecialVocabularyTest.templateTooLong
        T23 checkpoint.packed.PackedRefusalsTest.patternsFromStrangers tokenizer.TokenizerFilesTest.patternsFromStrangersAreNotRun
        T24 checkpoint.CheckpointsTest.shardNamesThatLeadElsewhere checkpoint.CheckpointsTest.shardThatIsALinkOutOfTheDirectory checkpoint.CheckpointsTest.shardThatIsADirectory checkpoint.CheckpointsTest.shardThatIsAPipe
        T25 checkpoint.CheckpointsTest.indexAgainstShards
        T26 checkpoint.CheckpointsTest.indexAgainstShards
        T27 checkpoint.CheckpointsTest.aTensorInTwoShardsOfAnIndex
        T28 checkpoint.CheckpointsTest.shardsInTheHuggingFaceCache
        T29 checkpoint.CheckpointsTest.indexesThatAreWrong
        T30 tokenizer.SpecialVocabularyTest.suspectTemplatesAreNoticed tokenizer.SpecialVocabularyTest.templateWithNul tokenizer.SpecialVocabularyTest.templateKeepsItsBytes tokenizer.SpecialVocabularyTest.templateTooLong
        T31 checkpoint.ModelConfigTest.integersThatAreWrong checkpoint.ModelConfigTest.headsThatDoNotDivide
        T32 gguf.GgufAcceptedTest.t32ControlCharactersInANameAreEscapedInMessages
        T33 cli.VerifyTest.aTokenizerOfAnotherModelIsFoundAndTheFirstTokenNamed
        W1 io.OutputFileFaultTest.afterAFaultAtEveryOperationOldOrNewIsWhole pipeline.InterruptionTest.aFaultAtEveryOperation
        W2 io.OutputFileFaultTest.afterAFaultAtEveryOperationOldOrNewIsWhole pipeline.InterruptionTest.aFaultAtEveryOperation
        W3 io.OutputFileFaultTest.afterAFaultAtEveryOperationOldOrNewIsWhole pipeline.InterruptionTest.aFaultAtEveryOperation
        W4 cli.UnattendedTest.onADiskThatIsTooSmall pipeline.InterruptionTest.aDiskThatFillsUpMeanwhile
        W5 cli.UnattendedTest.beyondTheKernelsLimit io.OutputFileProcessTest.aFileBeyondTheSizeLimitIsReportedAndLeavesNothing
        W6 io.OutputFileFaultTest.aFullDiskIsReportedInTheSystemsWords
        W7 pipeline.InterruptionTest.aFaultAtEveryOperation io.OutputFileFaultTest.everythingIsForcedBeforeItIsReliedOn
        W8 pipeline.InterruptionTest.aFaultAtEveryOperation io.OutputFileFaultTest.afterAFaultAtEveryOperationOldOrNewIsWhole
        W9 pipeline.InterruptionTest.aFaultAtEveryOperation io.OutputFileFaultTest.afterAFaultAtEveryOperationOldOrNewIsWhole
        W10 pipeline.KillTest.killedFiftyTimesItStillMakesTheSameBytes io.OutputFileProcessTest.killedAtAnyMomentItLeavesTheOldFileOrTheNewOne cli.ProvenanceTest.goneOnWithItIsTheSame
        W11 cli.UnattendedTest.terminatedASmallRunLeavesNothing cli.UnattendedTest.terminatedARunThatResumesIsGoneOnWith io.OutputFileProcessTest.terminatedItLeavesNothing
        W12 pipeline.InterruptionTest.aPowerCutAtEveryMoment
        W13 pipeline.InterruptionTest.aFaultAtEveryOperation cli.UnattendedTest.beyondTheKernelsLimit cli.OutputGatesTest.whatDoesNotIsNot
        W14 cli.UnattendedTest.theOutputIsNoInput io.OutputFileTest.theOutputIsNoneOfTheInputs cli.ProvenanceTest.statementsAreNoInputsAndNoOutputs
        W15 io.OutputFileTest.aDirectoryThatTakesNoFileIsNamed
        W16 io.OutputFileTest.stalePartialsOfTheSameNameAreRemovedAndTold io.OutputFileProcessTest.killedItLeavesTheOldFileOrTheNewOne
        W17 io.OutputFileProcessTest.twoProcessesDoNotWriteTheSameOutput pipeline.ResumeTest.twoRunsOnOneOutputExcludeEachOther
        W18 pipeline.ResumeTest.aTornJournalCountsUpToTheTear pipeline.ResumeTest.aTamperedJournalCountsUpToTheChange pipeline.ResumeTest.damagedTensorsAreMadeAgain pipeline.ResumeTest.anotherPlanStartsOver pipeline.ResumeTest.anotherVersionStartsOver
        W19 pipeline.ResumeTest.aSourceThatChangedMeanwhileStartsOver pipeline.ResumeTest.aSourceThatIsWrittenToWhileItIsReadIsRefused pipeline.ResumeTest.aSourceThatShrinksWhileItIsReadIsRefused
        W20 pipeline.InterruptionTest.aFaultAtEveryOperation pipeline.InterruptionTest.aPowerCutAtEveryMoment
        W21 cli.UnattendedTest.theBytesDoNotDependOnTheSurroundings cli.ProvenanceTest.equalInputsGiveEqualBytesAnywhere io.OutputFileTest.threadsWriteAtTheirOwnPlaces
        W22 cli.UnattendedTest.theBytesDoNotDependOnTheSurroundings cli.ProvenanceTest.equalInputsGiveEqualBytesAnywhere
        W23 cli.VerifyTest.hashesAreThoseOfLlamaCppsTensorsAndAManifestIsCheckedInBothForms
        W24 pipeline.InterruptionTest.aFaultAtEveryOperation io.OutputFileProcessTest.killedItLeavesTheOldFileOrTheNewOne
        W25 io.OutputFileTest.spaceIsCheckedBeforeTheFirstByte cli.UnattendedTest.onADiskThatIsTooSmall
        W26 io.OutputFileTest.anExistingFileIsReplacedOnlyByForce
        W27 gguf.GgufOracleTest.whatQuernWritesGgmlReads cli.ProvenanceTest.nothingElseDiffers
        """;

    private static Map<String, List<String>> table() {
        return TABLE.lines()
                .map(line -> line.strip().split(" "))
                .collect(Collectors.toMap(
                        words -> words[0],
                        words -> List.of(words).subList(1, words.length),
                        (a, b) -> {
                            throw new AssertionError("a case twice");
                        },
                        LinkedHashMap::new));
    }

    @Test
    void everyCaseHasATest() {
        List<String> expected = SECTIONS.stream()
                .flatMap(section -> IntStream.rangeClosed(1, section.cases()).mapToObj(n -> section.letter() + n))
                .toList();
        assertThat(table().keySet()).containsExactlyElementsOf(expected);
    }

    @Test
    void everyTestIsThereAndRuns() {
        tests().forEach((name, tests) -> {
            assertThat(tests).as(name).isNotEmpty();
            tests.forEach(
                    test -> assertThat(isTest(test)).as("%s %s", name, test).isTrue());
        });
    }

    /** The table without the cases that nothing reads. */
    private static Map<String, List<String>> tests() {
        Map<String, List<String>> tests = table();
        tests.values().removeIf(words -> words.getFirst().equals(NO_READER));
        return tests;
    }

    /** No case of input may take more than 64 MiB or a second: their classes must read where that is measured. */
    @Test
    void everyCaseIsBounded() {
        JavaClasses classes = new ClassFileImporter().importPackages("dev.quern");
        tests().entrySet().stream()
                .filter(entry -> !entry.getKey().startsWith("W"))
                .flatMap(entry -> entry.getValue().stream())
                .map(test -> test.substring(0, test.lastIndexOf('.')))
                .filter(name -> !NOT_BOUNDED.contains(name))
                .distinct()
                .forEach(name -> assertThat(classes.get("dev.quern." + name).getMethodCallsFromSelf())
                        .as(name)
                        .anyMatch(call -> call.getTargetOwner().isEquivalentTo(Hostile.class)));
    }

    private static boolean isTest(String test) {
        int dot = test.lastIndexOf('.');
        try {
            Class<?> type = Class.forName("dev.quern." + test.substring(0, dot));
            List<Method> methods = Arrays.stream(type.getDeclaredMethods())
                    .filter(method -> method.getName().equals(test.substring(dot + 1)))
                    .toList();
            return methods.size() == 1
                    && !methods.getFirst().isAnnotationPresent(Disabled.class)
                    && !type.isAnnotationPresent(Disabled.class)
                    && (methods.getFirst().isAnnotationPresent(Test.class)
                            || methods.getFirst().isAnnotationPresent(ParameterizedTest.class));
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    /** The cases of one parameterized test carry their numbers in their names. */
    @Test
    void ggufCasesAreNumbered() throws Exception {
        String source = Files.readString(Path.of("src/test/java/dev/quern/gguf/GgufHostileTest.java"));
        tests().forEach((name, tests) -> {
            if (tests.contains("gguf.GgufHostileTest.isRefusedInOneLine")) {
                assertThat(source).as(name).contains("\"" + name + " ");
            }
        });
    }
}
